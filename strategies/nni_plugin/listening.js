// Loaded before NNI's manager (listening.py): its servers, which name no host, listen on TART_NAS_NNI_HOST.
"use strict";
const { Server } = require("net");

const host = process.env.TART_NAS_NNI_HOST || "127.0.0.1";
// Trials inherit the manager's environment, and may be programs of Node themselves.
const options = process.env.TART_NAS_NODE_OPTIONS;
if (options) process.env.NODE_OPTIONS = options;
else delete process.env.NODE_OPTIONS;

const listen = Server.prototype.listen;
Server.prototype.listen = function (first, ...rest) {
  if (typeof first === "number" && typeof rest[0] !== "string") {
    if (rest[0] === undefined) rest.shift();
    return listen.call(this, first, host, ...rest);
  }
  if (first !== null && typeof first === "object" && "port" in first && !first.host) {
    return listen.call(this, { ...first, host }, ...rest);
  }
  return listen.call(this, first, ...rest);
};
