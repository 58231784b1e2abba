// Required by a service under test: tries what an attacker inside would, and tells in a log line what came of
// each. KASK_TEST_PROBE_PATH is a file that is not there, and nothing of the service's own.
const { spawnSync } = require('node:child_process');
const { closeSync, openSync, readFileSync, writeFileSync, writeSync } = require('node:fs');
const { isMainThread, Worker } = require('node:worker_threads');

const elsewhere = process.env.KASK_TEST_PROBE_PATH;
const attempts = {
  'child process': () => raised(spawnSync('true').error),
  'worker thread': () => new Worker('', { eval: true }).unref(),
  'write elsewhere': () => writeFileSync(elsewhere, ''),
  'write over its program': () => closeSync(openSync(process.argv[1], 'r+')),
  'read elsewhere': () => readFileSync('/etc/passwd'),
  'native code': () => process.dlopen({ exports: {} }, '/nowhere/native.node'),
};

if (isMainThread) tell();

function tell() {
  const outcomes = Object.fromEntries(
    Object.entries(attempts).map(([name, attempt]) => [name, outcomeOf(attempt)]),
  );
  writeSync(1, `${JSON.stringify({ level: 'INFO', msg: 'probe', outcomes })}\n`);
}

function outcomeOf(attempt) {
  try {
    attempt();
    return 'done';
  } catch (error) {
    return error.code;
  }
}

function raised(error) {
  if (error) throw error;
}
