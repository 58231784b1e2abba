import path from 'node:path';
import { parseArgs } from 'node:util';
import { REPOSITORY } from '../harness/repository.js';
import { CassandraJudge } from './cassandra-judge.js';
import { judge } from './checker.js';
import { EmbeddedJudge } from './embedded-judge.js';
import { History } from './history.js';
import type { JudgedLoad } from './judged-load.js';
import { report } from './report.js';

// Clients of both datacenters while things happen to the nodes, and a verdict on what they saw: see CONTRIBUTING.md.
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    store: { type: 'string', default: 'cassandra' },
    history: { type: 'string' },
  },
});
const { minutes, store } = values;
const seed = Number(values.seed);
const began = performance.now();
const tell = (text: string): void =>
  console.log(`${String(Math.round((performance.now() - began) / 1000)).padStart(4)} s  ${text}`);

if (values.history) sentence(History.read(values.history));
else await run();

async function run(): Promise<void> {
  tell(`seed ${seed}`);
  const judged =
    store === 'embedded' ? new EmbeddedJudge({ seed, tell }) : await CassandraJudge.start({ seed, tell });
  try {
    await judged.judgeFor(Number(minutes) * 60_000);
  } finally {
    await judged.stop();
    keep(judged.load);
  }
  for (const wrong of judged.load.findings.wrong()) fail(wrong);
  sentence(judged.load.history);
  const registers = judged.registers.report();
  console.log(registers.lines.join('\n'));
  if (registers.violations > 0) fail(`${registers.violations} violations by conditional writes`);
  if (process.exitCode)
    console.log(`to repeat: npm run test:judge -- --store ${store} --minutes ${minutes} --seed ${seed}`);
}

function keep({ history }: JudgedLoad): void {
  const file = path.join(REPOSITORY, '.cache/judge', `${store}-${seed}.jsonl`);
  history.write(file);
  tell(`to judge it again: npm run test:judge -- --history ${path.relative(REPOSITORY, file)}`);
}

function sentence(history: History): void {
  const verdict = judge(history);
  console.log(report(history, verdict).join('\n'));
  if (verdict.violations.length > 0) fail(`${verdict.violations.length} violations`);
  else console.log('nothing found');
}

function fail(why: string): void {
  process.exitCode = 1;
  console.log(why);
}
