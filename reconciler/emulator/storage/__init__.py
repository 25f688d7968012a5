"""Cloud Storage: buckets and objects, as far as training data and a state in a bucket need them."""

from reconciler.emulator.storage.records import Bucket, Chunk, StoredObject, Upload

RECORDS = (Bucket, StoredObject, Upload, Chunk)
