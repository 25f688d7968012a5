"""The tables of the emulator's file.

Times are microseconds since 1970 on the emulator's clock, JSON is text. A Vertex resource is there
from `born` (never, when that is null) to `died`: what will happen is written when it is decided,
and happens because the clock gets there.
"""

TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS models (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
    operation TEXT NOT NULL, fields TEXT NOT NULL, search TEXT NOT NULL, updated INTEGER NOT NULL,
    training TEXT NOT NULL, listed INTEGER NOT NULL, readable INTEGER NOT NULL, settled TEXT);
CREATE INDEX IF NOT EXISTS models_by_owner ON models (owner, seq);
CREATE TABLE IF NOT EXISTS examples (model INTEGER PRIMARY KEY, pairs TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS permissions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, model INTEGER NOT NULL, id TEXT NOT NULL,
    grantee TEXT NOT NULL, email TEXT NOT NULL, role TEXT NOT NULL,
    UNIQUE (model, id), UNIQUE (model, grantee, email));
CREATE TABLE IF NOT EXISTS rules (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, rule TEXT NOT NULL, skip INTEGER NOT NULL,
    times INTEGER);
CREATE TABLE IF NOT EXISTS requests (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS vertex_jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, project TEXT NOT NULL,
    location TEXT NOT NULL, fields TEXT NOT NULL, created INTEGER NOT NULL,
    begun INTEGER NOT NULL, pending INTEGER NOT NULL, lasting INTEGER NOT NULL,
    ended INTEGER NOT NULL, outcome TEXT NOT NULL, error TEXT, cancelled INTEGER,
    uncancellable INTEGER NOT NULL, listed INTEGER NOT NULL, readable INTEGER NOT NULL,
    stats TEXT, tuned TEXT);
CREATE INDEX IF NOT EXISTS vertex_jobs_by_end ON vertex_jobs (project, ended);
CREATE TABLE IF NOT EXISTS vertex_examples (job INTEGER PRIMARY KEY, pairs TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS vertex_models (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, version INTEGER NOT NULL,
    project TEXT NOT NULL, location TEXT NOT NULL, job INTEGER NOT NULL, fields TEXT NOT NULL,
    system TEXT NOT NULL, born INTEGER, updated INTEGER, died INTEGER, UNIQUE (id, version));
CREATE INDEX IF NOT EXISTS vertex_models_by_job ON vertex_models (job);
CREATE TABLE IF NOT EXISTS vertex_endpoints (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, project TEXT NOT NULL,
    location TEXT NOT NULL, job INTEGER NOT NULL, model TEXT NOT NULL, version INTEGER NOT NULL,
    checkpoint TEXT NOT NULL, deployed TEXT NOT NULL, fields TEXT NOT NULL, system TEXT NOT NULL,
    born INTEGER, updated INTEGER, undeployed INTEGER, died INTEGER);
CREATE INDEX IF NOT EXISTS vertex_endpoints_by_model ON vertex_endpoints (model, version);
CREATE INDEX IF NOT EXISTS vertex_endpoints_by_job ON vertex_endpoints (job);
CREATE TABLE IF NOT EXISTS vertex_operations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, project TEXT NOT NULL,
    location TEXT NOT NULL, parent TEXT NOT NULL, target TEXT NOT NULL, verb TEXT NOT NULL,
    effect TEXT NOT NULL, created INTEGER NOT NULL, ended INTEGER NOT NULL, error TEXT);
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, fields TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, bucket TEXT NOT NULL, name TEXT NOT NULL,
    generation INTEGER NOT NULL, size INTEGER NOT NULL, md5 TEXT NOT NULL, crc32c TEXT NOT NULL,
    fields TEXT NOT NULL, created INTEGER NOT NULL, content INTEGER NOT NULL,
    UNIQUE (bucket, name));
CREATE TABLE IF NOT EXISTS uploads (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, bucket TEXT NOT NULL,
    name TEXT NOT NULL, fields TEXT NOT NULL, conditions TEXT NOT NULL, content INTEGER NOT NULL,
    finished TEXT);
CREATE TABLE IF NOT EXISTS contents (seq INTEGER PRIMARY KEY AUTOINCREMENT, size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS chunks (
    content INTEGER NOT NULL, start INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (content, start));
"""
# All of them; facts first, since they outlive a reset.
NAMES = (
    "facts",
    "models",
    "examples",
    "permissions",
    "rules",
    "requests",
    "vertex_jobs",
    "vertex_examples",
    "vertex_models",
    "vertex_endpoints",
    "vertex_operations",
    "buckets",
    "objects",
    "uploads",
    "contents",
    "chunks",
)
