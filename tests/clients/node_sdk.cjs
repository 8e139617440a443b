// Runs under `tarn rehearse`: the vendor's own JavaScript SDK, its own host names, nothing of Tarn in sight.
// Each check is a line of JSON: {"group": …, "check": …, "passed": …, "detail": …}.
// This SDK (0.17.0) sends a body with POST and PUT only and none with an upload, and hands a list that is the whole answer back as an object: what
// needs more goes through its transport, or is left to the others' scripts.
const assert = require("node:assert/strict");
const { Readable } = require("node:stream");
const { AccountClient, Config, WorkspaceClient } = require("@databricks/sdk-experimental");
const { readableToWeb } = require("@databricks/sdk-experimental/dist/fetch");  // the only kind of stream that it sends as it is

const credentials = { clientId: process.env.CLIENT_ID, clientSecret: process.env.CLIENT_SECRET, authType: "oauth-m2m" };
const workspaceHost = "https://acme-landing.cloud.databricks.com";
let failed = false;

async function check(group, name, step) {
  const line = { group, check: name, passed: true };
  try {
    await step();
  } catch (e) {
    failed = true;
    Object.assign(line, { passed: false, detail: String(e.stack || e) });
  }
  console.log(JSON.stringify(line));
}

async function all(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

const refused = async (promise, code) => assert.rejects(promise, (e) => e.errorCode === code || assert.fail(`found ${e.errorCode}: ${e.message}`));

async function account() {
  const a = new AccountClient(new Config({ host: "https://accounts.cloud.databricks.com", accountId: process.env.ACCOUNT_ID, ...credentials }));
  await check("workspaces", "list and get", async () => {
    const found = Object.values(await a.workspaces.list());
    assert.deepEqual(found.map((w) => w.deployment_name).sort(), ["acme-landing", "acme-pipeline"]);
    const one = await a.workspaces.get({ workspace_id: found[0].workspace_id });
    assert.equal(one.workspace_status, "RUNNING");
  });
  await check("networks", "list", async () => assert.equal(Object.values(await a.networks.list()).length, 2));
  await check("storage", "list", async () => assert.ok(Object.values(await a.storage.list()).length > 0));
  await check("metastores", "list", async () => {
    const found = await all(a.accountMetastores.list());
    assert.deepEqual(found.map((m) => m.name ?? m.metastore_info?.name), ["acme-metastore"]);
  });
}

async function statement(w, text, parameters) {
  let answer = await w.statementExecution.executeStatement({ statement: text, warehouse_id: process.env.WAREHOUSE, wait_timeout: "30s", parameters });
  while (["PENDING", "RUNNING"].includes(answer.status.state)) answer = await w.statementExecution.getStatement({ statement_id: answer.statement_id });
  return answer;
}

async function workspace(w) {
  await check("current_user", "me", async () => assert.equal((await w.currentUser.me()).userName, process.env.CLIENT_ID));
  await check("catalogs", "list, pages followed", async () => {
    const names = (await all(w.catalogs.list({ max_results: 2 }))).map((c) => c.name);
    for (const name of ["landing_raw", "pipeline_silver", "pipeline_gold"]) assert.ok(names.includes(name), names.join());
  });
  await check("schemas", "create and get", async () => {
    await w.schemas.create({ catalog_name: "landing_raw", name: "node_sdk", comment: "by Node" });
    assert.equal((await w.schemas.get({ full_name: "landing_raw.node_sdk" })).comment, "by Node");
  });
  await check("schemas", "a second one of the name is refused", () =>
    refused(w.schemas.create({ catalog_name: "landing_raw", name: "node_sdk" }), "SCHEMA_ALREADY_EXISTS"));
  await check("tables", "a missing one is refused by name", () => refused(w.tables.get({ full_name: "landing_raw.node_sdk.nothing" }), "TABLE_DOES_NOT_EXIST"));
  await check("warehouses", "list", async () => assert.deepEqual((await all(w.warehouses.list({}))).map((x) => x.name), ["shared"]));
  await check("statement_execution", "rows of a statement with a parameter", async () => {
    const answer = await statement(w, "SELECT 1 + 1 AS two, :x AS x", [{ name: "x", value: "y" }]);
    assert.deepEqual(answer.result.data_array, [["2", "y"]]);
  });
  await check("statement_execution", "create, insert, read", async () => {
    for (const text of ["CREATE TABLE landing_raw.node_sdk.t (a INT)", "INSERT INTO landing_raw.node_sdk.t VALUES (1), (2)"])
      assert.equal((await statement(w, text)).status.state, "SUCCEEDED");
    assert.deepEqual((await statement(w, "SELECT sum(a) FROM landing_raw.node_sdk.t")).result.data_array, [["3"]]);
  });
  await check("tables", "list what the statement made", async () =>
    assert.deepEqual((await all(w.tables.list({ catalog_name: "landing_raw", schema_name: "node_sdk" }))).map((t) => t.name), ["t"]));
  await check("volumes", "create", () => w.volumes.create({ catalog_name: "landing_raw", schema_name: "node_sdk", name: "drop", volume_type: "MANAGED" }));
  await check("files", "upload, list, download, delete", async () => {
    const file_path = "/Volumes/landing_raw/node_sdk/drop/hello.txt";
    const content = "hello ".repeat(1000);
    await w.apiClient.request({ path: `/api/2.0/fs/files${file_path}`, method: "PUT", headers: new Headers({ "Content-Type": "application/octet-stream" }),
      payload: readableToWeb(Readable.from([Buffer.from(content)])) });
    const entries = await all(w.files.listDirectoryContents({ directory_path: "/Volumes/landing_raw/node_sdk/drop" }));
    assert.deepEqual(entries.map((e) => [e.name, e.file_size]), [["hello.txt", content.length]]);
    let back = "";
    for await (const block of (await w.files.download({ file_path })).contents) back += Buffer.from(block).toString();
    assert.equal(back, content);
    await w.files.delete({ file_path });
    await assert.rejects(w.files.getMetadata({ file_path }));
  });
  await check("tokens", "create, use, revoke", async () => {
    const made = await w.tokens.create({ comment: "node", lifetime_seconds: 300 });
    const own = new WorkspaceClient(new Config({ host: workspaceHost, token: made.token_value, authType: "pat" }));
    assert.equal((await own.currentUser.me()).userName, process.env.CLIENT_ID);
    await w.tokens.delete({ token_id: made.token_info.token_id });
    await assert.rejects(own.currentUser.me());
  });
  await check("schemas", "delete, forced", () => w.schemas.delete({ full_name: "landing_raw.node_sdk", force: true }));
}

(async () => {
  await account();
  await workspace(new WorkspaceClient(new Config({ host: workspaceHost, ...credentials })));
  process.exitCode = failed ? 1 : 0;
})();
