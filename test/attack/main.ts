import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { REPOSITORY } from '../harness/repository.js';
import type { AttackOptions, Outcome } from './attack.js';
import { Fuzz } from './fuzz/fuzz.js';
import { report } from './report.js';
import { attackSlowly } from './slow/slow.js';
import { scanTls } from './tls-scan.js';

const REPORT = path.join(REPOSITORY, '.cache/attack-report.md');
const ATTACKS: Record<string, (options: AttackOptions) => Promise<Outcome>> = {
  fuzz: (options) => Fuzz.run(options),
  slow: attackSlowly,
  tls: scanTls,
};

// What an attacker can send to the service, one attack after the other: see CONTRIBUTING.md.
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    requests: { type: 'string', default: '120000' },
    from: { type: 'string', default: '0' },
  },
});
const { only, seed, requests, from } = values;
const names = only?.split(',') ?? Object.keys(ATTACKS);
const unknown = names.find((name) => !(name in ATTACKS));
if (unknown) throw new Error(`no attack ${unknown}; there are ${Object.keys(ATTACKS).join(', ')}`);
const began = Date.now();
const tell = (text: string): void =>
  console.log(`${String(Math.round((Date.now() - began) / 1000)).padStart(4)} s  ${text}`);

tell(`seed ${seed}`);
const outcomes: Outcome[] = [];
try {
  for (const name of names) {
    tell(name);
    const attack = ATTACKS[name] as (typeof ATTACKS)[string];
    outcomes.push(await attack({ seed: Number(seed), requests: Number(requests), from: Number(from), tell }));
    // After each: a run takes long, and may be interrupted.
    writeFileSync(REPORT, `${report(outcomes)}\n`);
  }
} finally {
  console.log(report(outcomes));
}
if (outcomes.some(({ wrong }) => wrong.length > 0)) {
  process.exitCode = 1;
  console.log(
    `to repeat: npm run test:attack -- --only ${names.join(',')} --seed ${seed} --requests ${requests}`,
  );
}
