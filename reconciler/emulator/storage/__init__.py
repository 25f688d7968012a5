"""Cloud Storage: buckets and objects, as far as training data and a state in a bucket need them."""
