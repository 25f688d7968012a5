// Google's own Node client through a whole life of a tuned model: node run.mjs URL
//
// Exits 0 and prints one line when every step did what it says, else throws.

import assert from "node:assert/strict";
import generativelanguage from "@google-ai/generativelanguage";

const url = new URL(process.argv[2]);
const { GenerativeServiceClient, ModelServiceClient } = generativelanguage.v1beta;
const options = {
  fallback: true,
  protocol: url.protocol.replace(":", ""),
  apiEndpoint: url.hostname,
  port: Number(url.port),
  apiKey: "conformance",
};
const models = new ModelServiceClient(options);
const generative = new GenerativeServiceClient(options);

const examples = [
  ["1", "2"],
  ["twenty two", "twenty three"],
  ["ninety nine", "one hundred"],
].map(([textInput, output]) => ({ textInput, output }));

const tunedModelId = `node-${Date.now().toString(36)}`;
const [operation] = await models.createTunedModel({
  tunedModelId,
  tunedModel: {
    displayName: "from node",
    baseModel: "models/gemini-1.0-pro-001",
    tuningTask: {
      hyperparameters: { epochCount: 5, batchSize: 2, learningRate: 0.001 },
      trainingData: { examples: { examples } },
    },
  },
});
assert.equal(operation.metadata.totalSteps, 8);
const [made, metadata] = await operation.promise();
const name = `tunedModels/${tunedModelId}`;
assert.equal(made.name, name);
assert.ok(["ACTIVE", 2].includes(made.state)); // the client leaves it a number here
assert.equal(metadata.completedPercent, 100);
assert.equal(metadata.snapshots.length, 8);

const [found] = await models.getTunedModel({ name });
assert.equal(found.displayName, "from node");
assert.equal(found.tuningTask.trainingData ?? null, null);

const [listed] = await models.listTunedModels({ pageSize: 1000 }, { autoPaginate: false });
assert.ok(listed.some((model) => model.name === name));

const [updated] = await models.updateTunedModel({
  tunedModel: { ...found, description: "told by node" },
  updateMask: { paths: ["description"] },
});
assert.equal(updated.description, "told by node");

const [answer] = await generative.generateContent({
  model: name,
  contents: [{ role: "user", parts: [{ text: "twenty two" }] }],
});
assert.equal(answer.candidates[0].content.parts[0].text, "twenty three");

await models.deleteTunedModel({ name });
await assert.rejects(models.getTunedModel({ name }), /does not exist/);
console.log("node: create, wait, get, list, update, generate, delete");
