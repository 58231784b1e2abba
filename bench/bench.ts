import type { CassandraCluster } from '../test/harness/cassandra/cluster.js';
import { startCassandra } from './bench-table.js';
import { buildGoPrograms } from './go-programs.js';
import type { Options } from './options.js';
import { chosenPeers } from './peers/chosen-peers.js';
import type { Peer } from './peers/peer.js';
import { peakMib, resetPeak } from './process-memory.js';
import { scenarioTables } from './report/scenario-table.js';
import type { ScenarioResult } from './results.js';
import { type Contestant, runRounds, slice } from './rounds.js';
import { type Scenario, scenarios } from './scenarios.js';

/** Until the compilers of all peers have seen the code that matters. */
const FIRST_WARMUP_SECONDS = 3;
const QUICK_WARMUP_SECONDS = 1;

/** A whole run: what is started here is stopped here, or by guardians if we die. */
export class Bench {
  private readonly contestants = new Map<Peer, Contestant>();

  private constructor(
    private readonly options: Options,
    private readonly cluster: CassandraCluster,
    private readonly peers: Peer[],
  ) {}

  static async prepare(options: Options): Promise<Bench> {
    tell('building the Go programs');
    await buildGoPrograms();
    tell('starting Cassandra');
    const { cluster, table } = await startCassandra();
    return new Bench(options, cluster, chosenPeers(options, table));
  }

  async run(): Promise<void> {
    const results: ScenarioResult[] = [];
    for (const scenario of scenarios(this.options)) results.push(await this.runScenario(scenario));
    tell('');
    for (const result of results) {
      console.log(`\n${result.title}`);
      for (const [i, text] of scenarioTables(result).entries())
        console.log(`\n${result.points[i]?.label}\n\n${text}`);
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.contestants.values()].map(({ running }) => running.stop()));
    await this.cluster.stop();
  }

  private async runScenario(scenario: Scenario): Promise<ScenarioResult> {
    const peers = this.peers.filter(({ kind }) => scenario.peers === 'all' || kind === 'service');
    const contestants: Contestant[] = [];
    for (const peer of peers) contestants.push(await this.contestant(peer, scenario));
    for (const { running } of contestants) resetPeak(running.pids);
    const points = await runRounds(scenario, contestants, tell);
    const peaks = contestants.map(({ name, running }) => [name, peakMib(running.pids)] as const);
    return { name: scenario.name, title: scenario.title, points, peakMib: Object.fromEntries(peaks) };
  }

  /** A peer is started when it is first needed, and made warm. */
  private async contestant(peer: Peer, { points }: Scenario): Promise<Contestant> {
    const known = this.contestants.get(peer);
    if (known) return known;
    tell(`starting ${peer.name}`);
    const contestant = { name: peer.name, store: peer.store, running: await peer.start() };
    this.contestants.set(peer, contestant);
    const warmup = this.options.quick ? QUICK_WARMUP_SECONDS : FIRST_WARMUP_SECONDS;
    await slice(contestant.running, points[0]?.classes ?? [], warmup);
    return contestant;
  }
}

/** One line on the terminal that says what goes on. */
function tell(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (text) process.stderr.write(`${text}\n`);
}
