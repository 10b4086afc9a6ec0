// NNI's manager gives a tuner 10 s to connect; the machine that tests run on may be busy.
"use strict";
const { setTimeout } = globalThis;
globalThis.setTimeout = (call, ms, ...rest) => setTimeout(call, ms === 10000 ? 90000 : ms, ...rest);
