import assert from "node:assert/strict";
import test from "node:test";
import * as api from "../src/index.js";

test("the package loads as a module", () => {
  assert.equal(typeof api, "object");
});
