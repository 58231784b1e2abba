// Jest maps `./x.js` to `x.ts` in tests, not in what its globalSetup and globalTeardown import: this does it there.
const Module = require('node:module');

const RELATIVE = /^\.{1,2}\/.*\.js$/;
const resolveFilename = Module._resolveFilename;

Module._resolveFilename = function resolveSource(request, parent, ...rest) {
  const isSource = parent?.filename?.startsWith(__dirname) && RELATIVE.test(request);
  return resolveFilename.call(this, isSource ? request.replace(/\.js$/, '.ts') : request, parent, ...rest);
};
