// What all scenarios of the Node client share.
const assert = require("node:assert/strict");
const net = require("node:net");
const { MilvusClient } = require("@zilliz/milvus2-sdk-node");

const URI = process.env.ELANUS_URI;
/** Major and minor number of the client, such as 2.6. */
const VERSION = Number.parseFloat(require("@zilliz/milvus2-sdk-node/package.json").version);

/** Options of a case that older clients cannot ask. */
function since(version) {
  return { skip: VERSION < version && `this version of the client cannot ask it (${version} can)` };
}

/** Connect to a database of the open server; it is made where it is not there. */
async function connected(database) {
  const first = new MilvusClient({ address: URI });
  const { db_names } = await first.listDatabases();
  if (!db_names.includes(database)) ok(await first.createDatabase({ db_name: database }));
  await first.closeConnection();
  return new MilvusClient({ address: URI, database });
}

/** Return an answer, or its status, once it is known to be one of success. */
function ok(answer) {
  const status = answer.status || answer;
  assert.equal(status.error_code, "Success", status.reason);
  return answer;
}

/** Return the status of an answer that is known to be an error. */
function refused(answer, code, text) {
  const status = answer.status || answer;
  assert.notEqual(status.error_code, "Success");
  assert.equal(status.code, code, status.reason);
  assert.match(status.reason, text);
  return status;
}

/** Stop the open server and start it again on its port. */
function restart() {
  return new Promise((resolve, reject) => {
    const control = net.connect(Number(process.env.ELANUS_RESTART), "127.0.0.1");
    control.on("data", () => control.end());
    control.on("close", resolve);
    control.on("error", reject);
  });
}

/** Compare numbers that went through float32. */
function near(got, wanted, tolerance = 1e-4) {
  assert.equal(got.length, wanted.length);
  got.forEach((value, i) =>
    assert.ok(Math.abs(value - wanted[i]) <= tolerance * Math.max(1, Math.abs(wanted[i])), `${i}: ${value} is not ${wanted[i]}`),
  );
}

module.exports = { assert, connected, near, ok, refused, restart, since, URI, VERSION };
