import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Certificates, CertificateAuthority, createCertificates } from '../test/harness/certificates.js';
import { buildGoPrograms } from './go-programs.js';
import { kaskGuarded } from './peers/kask.js';
import type { Peer } from './peers/peer.js';
import { Preloads } from './preloads.js';
import { ratioText } from './report/figures.js';
import { table } from './report/table.js';
import type { Figures, PointResult } from './results.js';
import { type Contestant, runRounds } from './rounds.js';
import { type Point, SESSIONS } from './scenarios.js';
import { median, ratios, spread } from './statistics.js';
import { warmUp } from './warm-up.js';

// What it costs to know who speaks, on connections that live: the service in clear, over TLS, with certificates of
// clients, and with permissions beside. On the embedded store, where there is least else that a request costs.

const CLIENT = 'spiffe://test/mediawiki';
const AUTHORIZED = {
  authentication: 'required',
  authorization: { clients: { [CLIENT]: { may: ['read', 'write', 'delete'] } } },
};
const MEASURES = ['cpuMicros', 'p50Ms', 'p99Ms'] as const;
const HEAD = [
  '',
  'CPU per request, µs',
  'to clear',
  'to TLS',
  'p50, ms',
  'to clear',
  'to TLS',
  'p99, ms',
  'to clear',
  'to TLS',
  'errors',
];
const POINTS: Point[] = [
  { label: 'as fast as answers come', classes: [{ name: 'saturated', connections: 32, ...SESSIONS }] },
  {
    label: '1,000 requests a second',
    classes: [{ name: 'rate', connections: 32, rate: 1_000, ...SESSIONS }],
  },
];

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '8' }, seconds: { type: 'string', default: '1.5' } },
});
const lengths = { rounds: Number(values.rounds), seconds: Number(values.seconds) };

await buildGoPrograms();
const certificates = createCertificates({ addresses: ['127.0.0.1'] });
const contestants: Contestant[] = [];
try {
  for (const peer of peers(certificates)) contestants.push(await ready(peer));
  const scenario = { name: 'rate', title: 'identity', peers: 'all', points: POINTS, ...lengths } as const;
  const results = await runRounds(scenario, contestants, (text) => process.stderr.write(`${text}\n`));
  for (const result of results) console.log(`\n### 32 connections, ${result.label}\n\n${told(result)}`);
} finally {
  await Promise.all(contestants.map(({ running }) => running.stop()));
  rmSync(certificates.directory, { recursive: true });
}

function peers({ directory, ca, serverCertificate: cert, serverKey: key }: Certificates): Peer[] {
  const authority = CertificateAuthority.create(`${directory}/clients`, 'Clients of the benchmark');
  const client = authority.issueClient('mediawiki', 'mediawiki', { names: [], uris: [CLIENT] });
  const own = { ca, cert: client.certificate, key: client.key };
  const mutual = { cert, key, client_ca: authority.certificate, client_auth: 'required' };
  return [
    kaskGuarded('clear', {}),
    kaskGuarded('TLS', { tls: { cert, key } }, { ca }),
    kaskGuarded('mTLS', { tls: mutual }, own),
    kaskGuarded('mTLS and authorization', { tls: mutual, ...AUTHORIZED }, own),
  ];
}

async function ready(peer: Peer): Promise<Contestant> {
  const contestant = { name: peer.name, store: peer.store, running: await peer.start() };
  for (const { classes } of POINTS) await new Preloads().ensure(contestant, classes);
  await warmUp(contestant.running);
  return contestant;
}

function told({ peers }: PointResult): string {
  const [clear = [], tls = []] = peers.map(({ rounds }) => rounds);
  const rows = peers.map(({ name, rounds }) => [
    name,
    ...MEASURES.flatMap((measure) => [
      median(valuesOf(rounds, measure)).toFixed(measure === 'cpuMicros' ? 0 : 2),
      ...[clear, tls].map((base) =>
        ratioText(spread(ratios(valuesOf(rounds, measure), valuesOf(base, measure)))),
      ),
    ]),
    String(rounds.flatMap(({ errors }) => Object.values(errors)).reduce((sum, count) => sum + count, 0)),
  ]);
  return table(HEAD, rows);
}

function valuesOf(rounds: Figures[], measure: (typeof MEASURES)[number]): number[] {
  return rounds.map((figures) => figures[measure]);
}
