import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { CassandraCluster } from '../test/harness/cassandra/cluster.js';
import { MissingPrerequisite, requireJava } from '../test/harness/prerequisites.js';
import { REPOSITORY } from '../test/harness/repository.js';
import { startCassandra } from './bench-table.js';
import { buildGoPrograms, requireGo } from './go-programs.js';
import { describeMachine } from './machine.js';
import { measureMemory } from './memory.js';
import type { Options } from './options.js';
import { type ChosenPeers, choosePeers } from './peers/chosen-peers.js';
import type { Peer } from './peers/peer.js';
import { WEBDIS_MISSING, webdisExists } from './peers/webdis.js';
import { Preloads } from './preloads.js';
import { peakMib, resetPeak } from './process-memory.js';
import { markdown } from './report/markdown.js';
import { writePage } from './report/page.js';
import type { MemoryResult, RunResult, ScenarioResult, StartResult } from './results.js';
import { type Contestant, runRounds } from './rounds.js';
import { type Scenario, scenarios } from './scenarios.js';
import { measureStarts } from './start-time.js';
import { WARM_UP, warmUp } from './warm-up.js';

const RAW = path.join(REPOSITORY, '.cache/bench/results.json');
const MEMORY = { rounds: 2, seconds: 2 };
const STARTS = 5;
const QUICK = { memory: { rounds: 1, seconds: 1 }, starts: 2 };

/** A whole run: what is started here is stopped here, or by guardians if we die. */
export class Bench {
  private readonly contestants = new Map<Peer, Contestant>();
  private readonly preloads = new Preloads();

  private constructor(
    private readonly options: Options,
    private readonly cluster: CassandraCluster,
    private readonly peers: ChosenPeers,
  ) {}

  static async prepare(options: Options): Promise<Bench> {
    requireLinux();
    requireGo();
    requireJava();
    tell('building the Go programs');
    await buildGoPrograms();
    tell('starting Cassandra');
    const { cluster, table } = await startCassandra();
    try {
      return new Bench(options, cluster, await choosePeers(options, table));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async run(): Promise<void> {
    const run = await this.measure();
    tell('');
    console.log(markdown(run));
    writeFileSync(RAW, JSON.stringify(run, undefined, 2));
    if (this.options.write) await writePage(run);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.contestants.values()].map(({ running }) => running.stop()));
    await this.cluster.stop();
  }

  private async measure(): Promise<RunResult> {
    const machine = await describeMachine(await this.cassandraRelease());
    const measured: ScenarioResult[] = [];
    for (const scenario of scenarios(this.options)) measured.push(await this.runScenario(scenario));
    return {
      date: new Date().toISOString().slice(0, 10),
      machine,
      notes: this.notes(),
      scenarios: measured,
      memory: await this.memory(),
      starts: await this.starts(),
    };
  }

  private notes(): string[] {
    return [
      ...(this.options.quick ? ['A quick run: one round of short slices, and no figures to go by.'] : []),
      ...(webdisExists() ? [] : [WEBDIS_MISSING]),
    ];
  }

  private async runScenario(scenario: Scenario): Promise<ScenarioResult> {
    const peers = this.peers.all.filter(({ kind }) => scenario.peers === 'all' || kind === 'service');
    const contestants: Contestant[] = [];
    for (const peer of peers) contestants.push(await this.contestant(peer, scenario));
    for (const { running } of contestants) resetPeak(running.pids);
    const points = await runRounds(scenario, contestants, tell);
    const peaks = contestants.map(({ name, running }) => [name, peakMib(running.pids)] as const);
    const { name, title, baseline } = scenario;
    return { name, title, points, baseline, peakMib: Object.fromEntries(peaks) };
  }

  /** A peer is started when it is first needed. */
  private async contestant(peer: Peer, { points }: Scenario): Promise<Contestant> {
    const contestant = this.contestants.get(peer) ?? (await this.start(peer));
    for (const { classes } of points) await this.preloads.ensure(contestant, classes);
    return contestant;
  }

  private async start(peer: Peer): Promise<Contestant> {
    tell(`starting ${peer.name}`);
    const contestant = { name: peer.name, store: peer.store, running: await peer.start() };
    this.contestants.set(peer, contestant);
    await this.preloads.ensure(contestant, [WARM_UP]);
    await warmUp(contestant.running);
    return contestant;
  }

  private async memory(): Promise<MemoryResult[]> {
    if (!this.options.only.includes('memory')) return [];
    tell('memory');
    const { rounds, seconds } = this.options.quick ? QUICK.memory : MEMORY;
    const peers = this.peers.all.filter(({ kind }) => kind !== 'floor');
    return measureMemory(peers, this.options.rounds ?? rounds, this.options.seconds ?? seconds);
  }

  private async starts(): Promise<StartResult[]> {
    if (!this.options.only.includes('start')) return [];
    tell('starts');
    return measureStarts(this.peers.starting, this.options.quick ? QUICK.starts : STARTS);
  }

  private async cassandraRelease(): Promise<string> {
    const { rows } = await this.cluster.execute('SELECT release_version FROM system.local');
    return String(rows[0]?.release_version);
  }
}

function requireLinux(): void {
  if (process.platform !== 'linux')
    throw new MissingPrerequisite('Linux is needed: CPU time and memory are read from /proc');
}

/** One line on the terminal that says what goes on. */
function tell(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (text) process.stderr.write(`${text}\n`);
}
