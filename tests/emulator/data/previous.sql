BEGIN TRANSACTION;
CREATE TABLE buckets (name TEXT PRIMARY KEY, fields TEXT NOT NULL);
INSERT INTO "buckets" VALUES('made','{"location": "EU", "timeCreated": "2026-11-28T22:06:51.371Z"}');
CREATE TABLE chunks (
    content INTEGER NOT NULL, start INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (content, start));
INSERT INTO "chunks" VALUES(1,0,X'7B2273797374656D496E737472756374696F6E223A207B22726F6C65223A202273797374656D222C20227061727473223A205B7B2274657874223A2022436F756E74206F6E2E227D5D7D2C2022636F6E74656E7473223A205B7B22726F6C65223A202275736572222C20227061727473223A205B7B2274657874223A20226F6E65227D5D7D2C207B22726F6C65223A20226D6F64656C222C20227061727473223A205B7B2274657874223A202274776F227D5D7D5D7D0A7B2273797374656D496E737472756374696F6E223A207B22726F6C65223A202273797374656D222C20227061727473223A205B7B2274657874223A2022436F756E74206F6E2E227D5D7D2C2022636F6E74656E7473223A205B7B22726F6C65223A202275736572222C20227061727473223A205B7B2274657874223A20227468726565227D5D7D2C207B22726F6C65223A20226D6F64656C222C20227061727473223A205B7B2274657874223A2022666F7572227D5D7D5D7D0A7B2273797374656D496E737472756374696F6E223A207B22726F6C65223A202273797374656D222C20227061727473223A205B7B2274657874223A2022436F756E74206F6E2E227D5D7D2C2022636F6E74656E7473223A205B7B22726F6C65223A202275736572222C20227061727473223A205B7B2274657874223A20226E696E657479206E696E65227D5D7D2C207B22726F6C65223A20226D6F64656C222C20227061727473223A205B7B2274657874223A20226F6E652068756E64726564227D5D7D5D7D0A7B2273797374656D496E737472756374696F6E223A207B22726F6C65223A202273797374656D222C20227061727473223A205B7B2274657874223A2022436F756E74206F6E2E227D5D7D2C2022636F6E74656E7473223A205B7B22726F6C65223A202275736572222C20227061727473223A205B7B2274657874223A2022736576656E227D5D7D2C207B22726F6C65223A20226D6F64656C222C20227061727473223A205B7B2274657874223A20226569676874227D5D7D5D7D0A');
CREATE TABLE contents (seq INTEGER PRIMARY KEY AUTOINCREMENT, size INTEGER NOT NULL);
INSERT INTO "contents" VALUES(1,755);
INSERT INTO "contents" VALUES(2,0);
CREATE TABLE examples (model INTEGER PRIMARY KEY, pairs TEXT NOT NULL);
INSERT INTO "examples" VALUES(1,'[["1", "2"], ["3", "4"]]');
INSERT INTO "examples" VALUES(2,'[["a", "b"]]');
INSERT INTO "examples" VALUES(3,'[["a", "b"]]');
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO "facts" VALUES('settings','{"training_seconds": 10, "auth": "none", "quota_project_required": false, "tunable": ["models/gemini-1.0-pro-001", "models/gemini-1.5-flash-001-tuning"], "retires": {}, "delete_creating": "allow", "list_lag_seconds": 0, "vertex_tunable": ["gemini-3.1-flash-lite", "gemini-3.5-flash", "gemini-3.5-flash-lite", "translation-llm-002"], "vertex_retires": {"gemini-2.5-flash": "2026-10-20", "gemini-2.5-flash-lite": "2026-10-20", "gemini-2.5-pro": "2026-10-20", "gemini-2.0-flash": "2026-06-01", "gemini-2.0-flash-001": "2026-06-01", "gemini-2.0-flash-lite": "2026-06-01", "gemini-2.0-flash-lite-001": "2026-06-01", "gemini-1.5-flash-002": "2025-09-24", "gemini-1.5-pro-002": "2025-09-24", "gemini-1.5-flash-001": "2025-05-24", "gemini-1.5-pro-001": "2025-05-24", "gemini-1.0-pro-001": "2025-04-21", "gemini-1.0-pro-002": "2025-04-21"}, "tuning_blocked_days": 0, "tuned_ends_with_base": false, "vertex_concurrent_jobs": 4, "vertex_over_quota": "queue", "vertex_operation_seconds": 0.5, "vertex_cancel_seconds": 0.5, "storage_buckets": "any"}');
INSERT INTO "facts" VALUES('generation','1795903601371706');
INSERT INTO "facts" VALUES('clock','{"offset": 9896801, "frozen": 1795903611371706}');
CREATE TABLE models (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
    operation TEXT NOT NULL, fields TEXT NOT NULL, search TEXT NOT NULL, updated INTEGER NOT NULL,
    training TEXT NOT NULL, listed INTEGER NOT NULL, readable INTEGER NOT NULL, settled TEXT);
INSERT INTO "models" VALUES(1,'settled','','xv28iz5whqyk','{"baseModel": "models/gemini-1.0-pro-001", "displayName": "number generator", "hyperparameters": {"epochCount": 5, "batchSize": 4, "learningRate": 0.001}, "temperature": 0.9, "topP": 1.0, "topK": 1}','number generator
',1795903601371706,'{"model": "settled", "created": 1795903601371706, "duration": 10000000, "examples": 2, "epochs": 5, "batch": 4, "failure": null}',1795903601371706,1795903601371706,'{
  "name": "tunedModels/settled",
  "baseModel": "models/gemini-1.0-pro-001",
  "displayName": "number generator",
  "state": "ACTIVE",
  "createTime": "2026-11-28T22:06:41.371706Z",
  "updateTime": "2026-11-28T22:06:41.371706Z",
  "tuningTask": {
    "startTime": "2026-11-28T22:06:41.771706Z",
    "completeTime": "2026-11-28T22:06:51.371706Z",
    "snapshots": [
      {
        "step": 1,
        "epoch": 1,
        "meanLoss": 4.565969,
        "computeTime": "2026-11-28T22:06:44.971705429Z"
      },
      {
        "step": 2,
        "epoch": 3,
        "meanLoss": 1.8639676,
        "computeTime": "2026-11-28T22:06:48.171705506Z"
      },
      {
        "step": 3,
        "epoch": 5,
        "meanLoss": 1.1551623,
        "computeTime": "2026-11-28T22:06:51.371705180Z"
      }
    ],
    "hyperparameters": {
      "epochCount": 5,
      "batchSize": 4,
      "learningRate": 0.001
    }
  },
  "temperature": 0.9,
  "topP": 1.0,
  "topK": 1
}');
INSERT INTO "models" VALUES(2,'training','','frdsqq4t6rp1','{"baseModel": "models/gemini-1.0-pro-001", "displayName": "number generator", "hyperparameters": {"epochCount": 5, "batchSize": 4, "learningRate": 0.001}, "temperature": 0.9, "topP": 1.0, "topK": 1}','number generator
',1795903611371706,'{"model": "training", "created": 1795903611371706, "duration": 10000000, "examples": 1, "epochs": 5, "batch": 4, "failure": null}',1795903611371706,1795903611371706,NULL);
INSERT INTO "models" VALUES(3,'doomed-1','','u5o411x491kx','{"baseModel": "models/gemini-1.0-pro-001", "displayName": "number generator", "hyperparameters": {"epochCount": 5, "batchSize": 4, "learningRate": 0.001}, "temperature": 0.9, "topP": 1.0, "topK": 1}','number generator
',1795903611371706,'{"model": "doomed-1", "created": 1795903611371706, "duration": 10000000, "examples": 1, "epochs": 5, "batch": 4, "failure": {"code": 13, "message": "out of chips", "time": 1795903621371706}}',1795903611371706,1795903611371706,NULL);
CREATE TABLE objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, bucket TEXT NOT NULL, name TEXT NOT NULL,
    generation INTEGER NOT NULL, size INTEGER NOT NULL, md5 TEXT NOT NULL, crc32c TEXT NOT NULL,
    fields TEXT NOT NULL, created INTEGER NOT NULL, content INTEGER NOT NULL,
    UNIQUE (bucket, name));
INSERT INTO "objects" VALUES(1,'training','sets/numbers.jsonl',1795903601371706,755,'T33fN1ttqYA6LgsPtIMPIA==','XkWS0Q==','{"contentType": "application/octet-stream"}',1795903601371706,1);
CREATE TABLE permissions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, model INTEGER NOT NULL, id TEXT NOT NULL,
    grantee TEXT NOT NULL, email TEXT NOT NULL, role TEXT NOT NULL,
    UNIQUE (model, id), UNIQUE (model, grantee, email));
INSERT INTO "permissions" VALUES(1,1,'everyone','EVERYONE','','READER');
CREATE TABLE requests (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL);
INSERT INTO "requests" VALUES(1,'{"time": "2026-11-28T22:06:41.371706Z", "method": "POST", "path": "/v1beta/tunedModels", "query": {"tunedModelId": "settled"}, "status": 200, "effect": true, "credential": "none", "fault": null}');
INSERT INTO "requests" VALUES(2,'{"time": "2026-11-28T22:06:41.371706Z", "method": "POST", "path": "/upload/storage/v1/b/training/o", "query": {"uploadType": "media", "name": "sets/numbers.jsonl"}, "status": 200, "effect": true, "credential": "none", "fault": null}');
INSERT INTO "requests" VALUES(3,'{"time": "2026-11-28T22:06:41.371706Z", "method": "POST", "path": "/v1/projects/my-project/locations/us-central1/tuningJobs", "query": {}, "status": 200, "effect": true, "credential": "none", "fault": null}');
INSERT INTO "requests" VALUES(4,'{"time": "2026-11-28T22:06:51.371706Z", "method": "GET", "path": "/v1/projects/575709510981/locations/us-central1/tuningJobs/4268627390861453139", "query": {}, "status": 200, "effect": false, "credential": "none", "fault": null}');
INSERT INTO "requests" VALUES(5,'{"time": "2026-11-28T22:06:51.371706Z", "method": "GET", "path": "/v1beta/tunedModels/settled", "query": {}, "status": 200, "effect": false, "credential": "none", "fault": null}');
INSERT INTO "requests" VALUES(6,'{"time": "2026-11-28T22:06:51.371706Z", "method": "POST", "path": "/v1beta/tunedModels/settled/permissions", "query": {}, "status": 200, "effect": true, "credential": "none", "fault": null}');
INSERT INTO "requests" VALUES(7,'{"time": "2026-11-28T22:06:51.371706Z", "method": "POST", "path": "/v1beta/tunedModels", "query": {"tunedModelId": "training"}, "status": 200, "effect": true, "credential": "none", "fault": null}');
INSERT INTO "requests" VALUES(8,'{"time": "2026-11-28T22:06:51.371706Z", "method": "POST", "path": "/v1beta/tunedModels", "query": {"tunedModelId": "doomed-1"}, "status": 200, "effect": true, "credential": "none", "fault": null}');
INSERT INTO "requests" VALUES(9,'{"time": "2026-11-28T22:06:51.371706Z", "method": "POST", "path": "/v1/projects/my-project/locations/us-central1/tuningJobs", "query": {}, "status": 200, "effect": true, "credential": "none", "fault": null}');
INSERT INTO "requests" VALUES(10,'{"time": "2026-11-28T22:06:51.371706Z", "method": "GET", "path": "/v1/projects/575709510981/locations/us-central1/endpoints/4385969993202507180", "query": {}, "status": 200, "effect": false, "credential": "none", "fault": null}');
INSERT INTO "requests" VALUES(11,'{"time": "2026-11-28T22:06:51.371706Z", "method": "POST", "path": "/v1/projects/575709510981/locations/us-central1/endpoints/4385969993202507180:undeployModel", "query": {}, "status": 200, "effect": true, "credential": "none", "fault": null}');
INSERT INTO "requests" VALUES(12,'{"time": "2026-11-28T22:06:51.371706Z", "method": "POST", "path": "/v1/projects/my-project/locations/us-central1/endpoints", "query": {}, "status": 200, "effect": true, "credential": "none", "fault": null}');
INSERT INTO "requests" VALUES(13,'{"time": "2026-11-28T22:06:51.371706Z", "method": "POST", "path": "/storage/v1/b", "query": {}, "status": 200, "effect": true, "credential": "none", "fault": null}');
INSERT INTO "requests" VALUES(14,'{"time": "2026-11-28T22:06:51.371706Z", "method": "POST", "path": "/upload/storage/v1/b/made/o", "query": {"uploadType": "resumable", "name": "open"}, "status": 200, "effect": true, "credential": "none", "fault": null}');
CREATE TABLE rules (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, rule TEXT NOT NULL, skip INTEGER NOT NULL,
    times INTEGER);
INSERT INTO "rules" VALUES(1,'{"train": "^doomed", "fail": {"code": 13, "message": "out of chips"}}',0,NULL);
INSERT INTO "rules" VALUES(2,'{"path": "m4$", "status": 503, "times": 2}',0,2);
CREATE TABLE uploads (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, bucket TEXT NOT NULL,
    name TEXT NOT NULL, fields TEXT NOT NULL, conditions TEXT NOT NULL, content INTEGER NOT NULL,
    finished TEXT);
INSERT INTO "uploads" VALUES(1,'AESEVd8mC-v_6Jj_k0JOmFyM-g89hPm-4J0XU1Q-WBJfUfH9iDLDwcR4yqzaf0zpaJ','made','open','{}','{}',2,NULL);
CREATE TABLE vertex_endpoints (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, project TEXT NOT NULL,
    location TEXT NOT NULL, job INTEGER NOT NULL, model TEXT NOT NULL, version INTEGER NOT NULL,
    checkpoint TEXT NOT NULL, deployed TEXT NOT NULL, fields TEXT NOT NULL, system TEXT NOT NULL,
    born INTEGER, updated INTEGER, undeployed INTEGER, died INTEGER);
INSERT INTO "vertex_endpoints" VALUES(1,'4385969993202507180','575709510981','us-central1',1,'7489952997221242829',1,'1','5149719201352242036','{"displayName": "first", "labels": {"team": "red", "google-vertex-llm-tuning-base-model-id": "gemini-3-1-flash-lite", "google-vertex-llm-tuning-job-id": "4268627390861453139", "tune-type": "sft"}}','{"base": "gemini-3.1-flash-lite", "checkpoints": [{"checkpointId": "1", "epoch": "1", "step": "1"}, {"checkpointId": "2", "epoch": "2", "step": "1"}], "labels": {"google-vertex-llm-tuning-base-model-id": "gemini-3-1-flash-lite", "google-vertex-llm-tuning-job-id": "4268627390861453139", "tune-type": "sft"}}',1795903611371706,NULL,1795903611871706,NULL);
INSERT INTO "vertex_endpoints" VALUES(2,'5126286473696403091','575709510981','us-central1',1,'7489952997221242829',1,'2','5277073749644557757','{"displayName": "first", "labels": {"team": "red", "google-vertex-llm-tuning-base-model-id": "gemini-3-1-flash-lite", "google-vertex-llm-tuning-job-id": "4268627390861453139", "tune-type": "sft"}}','{"base": "gemini-3.1-flash-lite", "checkpoints": [{"checkpointId": "1", "epoch": "1", "step": "1"}, {"checkpointId": "2", "epoch": "2", "step": "1"}], "labels": {"google-vertex-llm-tuning-base-model-id": "gemini-3-1-flash-lite", "google-vertex-llm-tuning-job-id": "4268627390861453139", "tune-type": "sft"}}',1795903611371706,NULL,NULL,NULL);
INSERT INTO "vertex_endpoints" VALUES(3,'7137319207630559798','575709510981','us-central1',2,'8589927352450801978',1,'1','5470027708277555051','{"displayName": "second", "labels": {"google-vertex-llm-tuning-base-model-id": "gemini-3-1-flash-lite", "google-vertex-llm-tuning-job-id": "6106449884114418084", "tune-type": "sft"}}','{"base": "gemini-3.1-flash-lite", "checkpoints": [{"checkpointId": "1", "epoch": "1", "step": "1"}, {"checkpointId": "2", "epoch": "2", "step": "1"}], "labels": {"google-vertex-llm-tuning-base-model-id": "gemini-3-1-flash-lite", "google-vertex-llm-tuning-job-id": "6106449884114418084", "tune-type": "sft"}}',1795903621371706,NULL,NULL,NULL);
INSERT INTO "vertex_endpoints" VALUES(4,'4290258133113098740','575709510981','us-central1',2,'8589927352450801978',1,'2','6883509504314386131','{"displayName": "second", "labels": {"google-vertex-llm-tuning-base-model-id": "gemini-3-1-flash-lite", "google-vertex-llm-tuning-job-id": "6106449884114418084", "tune-type": "sft"}}','{"base": "gemini-3.1-flash-lite", "checkpoints": [{"checkpointId": "1", "epoch": "1", "step": "1"}, {"checkpointId": "2", "epoch": "2", "step": "1"}], "labels": {"google-vertex-llm-tuning-base-model-id": "gemini-3-1-flash-lite", "google-vertex-llm-tuning-job-id": "6106449884114418084", "tune-type": "sft"}}',1795903621371706,NULL,NULL,NULL);
INSERT INTO "vertex_endpoints" VALUES(5,'2166609357765863911','575709510981','us-central1',0,'',0,'','','{"displayName": "mine"}','{"labels": {}}',1795903611371706,NULL,0,NULL);
CREATE TABLE vertex_examples (job INTEGER PRIMARY KEY, pairs TEXT NOT NULL);
INSERT INTO "vertex_examples" VALUES(1,'[["one", "two"], ["three", "four"], ["ninety nine", "one hundred"], ["seven", "eight"]]');
INSERT INTO "vertex_examples" VALUES(2,'[["one", "two"], ["three", "four"], ["ninety nine", "one hundred"], ["seven", "eight"]]');
CREATE TABLE vertex_jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, project TEXT NOT NULL,
    location TEXT NOT NULL, fields TEXT NOT NULL, created INTEGER NOT NULL,
    begun INTEGER NOT NULL, pending INTEGER NOT NULL, lasting INTEGER NOT NULL,
    ended INTEGER NOT NULL, outcome TEXT NOT NULL, error TEXT, cancelled INTEGER,
    uncancellable INTEGER NOT NULL, listed INTEGER NOT NULL, readable INTEGER NOT NULL,
    stats TEXT, tuned TEXT);
INSERT INTO "vertex_jobs" VALUES(1,'4268627390861453139','575709510981','us-central1','{"baseModel": "gemini-3.1-flash-lite", "supervisedTuningSpec": {"trainingDatasetUri": "gs://training/sets/numbers.jsonl", "hyperParameters": {"epochCount": "2", "learningRateMultiplier": 1.0, "adapterSize": "ADAPTER_SIZE_FOUR"}}, "tunedModelDisplayName": "first", "labels": {"team": "red"}}',1795903601371706,1795903601371706,1000000,10000000,1795903611371706,'JOB_STATE_SUCCEEDED',NULL,NULL,0,1795903601371706,1795903601371706,'{"supervisedTuningDataStats": {"tuningDatasetExampleCount": "4", "totalBillableTokenCount": "23", "tuningStepCount": "1", "totalTuningCharacterCount": "83", "totalBillableCharacterCount": "83", "userInputTokenDistribution": {"sum": "16", "min": 3.0, "max": 5.0, "mean": 4.0, "median": 4.0, "p5": 3.0, "p95": 5.0, "buckets": [{"left": 3.0, "right": 5.0, "count": 4.0}], "billableSum": "16"}, "userOutputTokenDistribution": {"sum": "7", "min": 1.0, "max": 3.0, "mean": 1.75, "median": 1.5, "p5": 1.0, "p95": 3.0, "buckets": [{"left": 1.0, "right": 3.0, "count": 4.0}], "billableSum": "7"}, "userMessagePerExampleDistribution": {"sum": "8", "min": 2.0, "max": 2.0, "mean": 2.0, "median": 2.0, "p5": 2.0, "p95": 2.0, "buckets": [{"left": 2.0, "right": 2.0, "count": 4.0}], "billableSum": "8"}, "userDatasetExamples": [{"role": "user", "parts": [{"text": "one"}]}, {"role": "user", "parts": [{"text": "three"}]}, {"role": "user", "parts": [{"text": "ninety nine"}]}]}}','{"model": "projects/575709510981/locations/us-central1/models/7489952997221242829@1", "endpoint": "projects/575709510981/locations/us-central1/endpoints/5126286473696403091", "checkpoints": [{"checkpointId": "1", "epoch": "1", "step": "1", "endpoint": "projects/575709510981/locations/us-central1/endpoints/4385969993202507180"}, {"checkpointId": "2", "epoch": "2", "step": "1", "endpoint": "projects/575709510981/locations/us-central1/endpoints/5126286473696403091"}]}');
INSERT INTO "vertex_jobs" VALUES(2,'6106449884114418084','575709510981','us-central1','{"baseModel": "gemini-3.1-flash-lite", "supervisedTuningSpec": {"trainingDatasetUri": "gs://training/sets/numbers.jsonl", "hyperParameters": {"epochCount": "2", "learningRateMultiplier": 1.0, "adapterSize": "ADAPTER_SIZE_FOUR"}}, "tunedModelDisplayName": "second"}',1795903611371706,1795903611371706,1000000,10000000,1795903621371706,'JOB_STATE_SUCCEEDED',NULL,NULL,0,1795903611371706,1795903611371706,'{"supervisedTuningDataStats": {"tuningDatasetExampleCount": "4", "totalBillableTokenCount": "23", "tuningStepCount": "1", "totalTuningCharacterCount": "83", "totalBillableCharacterCount": "83", "userInputTokenDistribution": {"sum": "16", "min": 3.0, "max": 5.0, "mean": 4.0, "median": 4.0, "p5": 3.0, "p95": 5.0, "buckets": [{"left": 3.0, "right": 5.0, "count": 4.0}], "billableSum": "16"}, "userOutputTokenDistribution": {"sum": "7", "min": 1.0, "max": 3.0, "mean": 1.75, "median": 1.5, "p5": 1.0, "p95": 3.0, "buckets": [{"left": 1.0, "right": 3.0, "count": 4.0}], "billableSum": "7"}, "userMessagePerExampleDistribution": {"sum": "8", "min": 2.0, "max": 2.0, "mean": 2.0, "median": 2.0, "p5": 2.0, "p95": 2.0, "buckets": [{"left": 2.0, "right": 2.0, "count": 4.0}], "billableSum": "8"}, "userDatasetExamples": [{"role": "user", "parts": [{"text": "one"}]}, {"role": "user", "parts": [{"text": "three"}]}, {"role": "user", "parts": [{"text": "ninety nine"}]}]}}','{"model": "projects/575709510981/locations/us-central1/models/8589927352450801978@1", "endpoint": "projects/575709510981/locations/us-central1/endpoints/4290258133113098740", "checkpoints": [{"checkpointId": "1", "epoch": "1", "step": "1", "endpoint": "projects/575709510981/locations/us-central1/endpoints/7137319207630559798"}, {"checkpointId": "2", "epoch": "2", "step": "1", "endpoint": "projects/575709510981/locations/us-central1/endpoints/4290258133113098740"}]}');
CREATE TABLE vertex_models (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, version INTEGER NOT NULL,
    project TEXT NOT NULL, location TEXT NOT NULL, job INTEGER NOT NULL, fields TEXT NOT NULL,
    system TEXT NOT NULL, born INTEGER, updated INTEGER, died INTEGER, UNIQUE (id, version));
INSERT INTO "vertex_models" VALUES(1,'7489952997221242829',1,'575709510981','us-central1',1,'{"displayName": "first", "labels": {"team": "red", "google-vertex-llm-tuning-base-model-id": "gemini-3-1-flash-lite", "google-vertex-llm-tuning-job-id": "4268627390861453139", "tune-type": "sft"}}','{"base": "gemini-3.1-flash-lite", "checkpoints": [{"checkpointId": "1", "epoch": "1", "step": "1"}, {"checkpointId": "2", "epoch": "2", "step": "1"}], "labels": {"google-vertex-llm-tuning-base-model-id": "gemini-3-1-flash-lite", "google-vertex-llm-tuning-job-id": "4268627390861453139", "tune-type": "sft"}}',1795903611371706,NULL,NULL);
INSERT INTO "vertex_models" VALUES(2,'8589927352450801978',1,'575709510981','us-central1',2,'{"displayName": "second", "labels": {"google-vertex-llm-tuning-base-model-id": "gemini-3-1-flash-lite", "google-vertex-llm-tuning-job-id": "6106449884114418084", "tune-type": "sft"}}','{"base": "gemini-3.1-flash-lite", "checkpoints": [{"checkpointId": "1", "epoch": "1", "step": "1"}, {"checkpointId": "2", "epoch": "2", "step": "1"}], "labels": {"google-vertex-llm-tuning-base-model-id": "gemini-3-1-flash-lite", "google-vertex-llm-tuning-job-id": "6106449884114418084", "tune-type": "sft"}}',1795903621371706,NULL,NULL);
CREATE TABLE vertex_operations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, project TEXT NOT NULL,
    location TEXT NOT NULL, parent TEXT NOT NULL, target TEXT NOT NULL, verb TEXT NOT NULL,
    effect TEXT NOT NULL, created INTEGER NOT NULL, ended INTEGER NOT NULL, error TEXT);
INSERT INTO "vertex_operations" VALUES(1,'8311603988249569582','575709510981','us-central1','endpoints/4385969993202507180','endpoints/4385969993202507180','undeploy','{"undeployed": {"vertex_endpoints": [1]}}',1795903611371706,1795903611871706,NULL);
CREATE INDEX models_by_owner ON models (owner, seq);
CREATE INDEX vertex_jobs_by_end ON vertex_jobs (project, ended);
CREATE INDEX vertex_models_by_job ON vertex_models (job);
CREATE INDEX vertex_endpoints_by_model ON vertex_endpoints (model, version);
CREATE INDEX vertex_endpoints_by_job ON vertex_endpoints (job);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('models',3);
INSERT INTO "sqlite_sequence" VALUES('requests',14);
INSERT INTO "sqlite_sequence" VALUES('contents',2);
INSERT INTO "sqlite_sequence" VALUES('objects',1);
INSERT INTO "sqlite_sequence" VALUES('vertex_jobs',2);
INSERT INTO "sqlite_sequence" VALUES('vertex_models',2);
INSERT INTO "sqlite_sequence" VALUES('vertex_endpoints',5);
INSERT INTO "sqlite_sequence" VALUES('permissions',1);
INSERT INTO "sqlite_sequence" VALUES('rules',2);
INSERT INTO "sqlite_sequence" VALUES('vertex_operations',1);
INSERT INTO "sqlite_sequence" VALUES('uploads',1);
COMMIT;
