import { types } from 'cassandra-driver';
import { untilRefuses, untilServes } from '../harness/cassandra/availability.js';
import type { CassandraNode } from '../harness/cassandra/node.js';
import { metric } from '../harness/metrics.js';
import { nothingFails, onlyDeletesFail, p99StaysWithinTwice, recoversWithin } from './expectations.js';
import { Logouts } from './logouts.js';
import { overload } from './overload.js';
import type { Scenario } from './scenario.js';
import type { Stage } from './stage.js';

const { localQuorum, quorum } = types.consistencies;
/** Of one node in trouble, in ms. */
const TROUBLE_MS = 15_000;
/** Of an outage, in ms: by then all nodes know that the others are gone. */
const OUTAGE_MS = 40_000;
/** Of the service in each datacenter while it is updated. */
const PROCESSES = 3;
/** From the moment that the nodes have quorum, in seconds. */
const SERVES_AGAIN = 5;

/** Those that `npm test` plays as well. */
export const MATTER_MOST = [
  'one-frozen',
  'unavailable-coordinator',
  'delete-datacenter-killed',
  'node-restarted',
];

/** All that `npm run test:faults` plays, in this order. */
export const SCENARIOS: Scenario[] = [
  {
    name: 'one-killed',
    title: 'One node killed',
    inflict: ({ cluster, eqiad }) => cluster.kill(eqiad[0]),
    lastsMs: TROUBLE_MS,
    mend: ({ cluster, eqiad }) => cluster.restart(eqiad[0]),
    expects: [nothingFails('eqiad', 'codfw')],
    latency: p99StaysWithinTwice('eqiad'),
  },
  {
    name: 'two-killed',
    title: 'Two of three nodes killed',
    inflict: ({ cluster, eqiad }) => inAll(eqiad.slice(1), (node) => cluster.kill(node)),
    lastsMs: OUTAGE_MS,
    mend: (stage) => restart(stage, stage.eqiad.slice(1)),
    expects: [onlyDeletesFail('codfw'), recoversWithin(SERVES_AGAIN, 'eqiad', 'codfw')],
  },
  {
    name: 'one-frozen',
    title: 'One node frozen',
    inflict: ({ cluster, eqiad }) => Promise.resolve(cluster.freeze(eqiad[0])),
    lastsMs: TROUBLE_MS,
    mend: ({ cluster, eqiad }) => Promise.resolve(cluster.thaw(eqiad[0])),
    expects: [nothingFails('eqiad', 'codfw')],
    latency: p99StaysWithinTwice('eqiad'),
  },
  {
    name: 'unavailable-coordinator',
    title: 'A coordinator that answers Unavailable',
    inflict: async ({ cluster, eqiad, codfw }) => {
      await cluster.partition(eqiad.slice(0, 1), [...eqiad.slice(1), ...codfw]);
      await untilRefuses(eqiad[0], localQuorum);
    },
    lastsMs: TROUBLE_MS,
    mend: ({ cluster }) => cluster.heal(),
    expects: [nothingFails('eqiad', 'codfw')],
    latency: p99StaysWithinTwice('eqiad'),
  },
  {
    name: 'datacenter-killed',
    title: 'The other datacenter killed',
    inflict: ({ cluster, codfw }) => inAll(codfw, (node) => cluster.kill(node)),
    lastsMs: OUTAGE_MS,
    mend: (stage) => restart(stage, stage.codfw),
    expects: [onlyDeletesFail('eqiad'), recoversWithin(SERVES_AGAIN, 'eqiad', 'codfw')],
  },
  {
    name: 'datacenters-parted',
    title: 'A partition between the datacenters',
    inflict: ({ cluster, eqiad, codfw }) => cluster.partition(eqiad, codfw),
    lastsMs: OUTAGE_MS,
    mend: async ({ cluster, eqiad, codfw }) => {
      await cluster.heal();
      await inAll([...eqiad, ...codfw], (node) => untilServes(node, quorum));
    },
    expects: [onlyDeletesFail('eqiad', 'codfw'), recoversWithin(SERVES_AGAIN, 'eqiad', 'codfw')],
  },
  {
    name: 'node-restarted',
    title: 'Restart of one node',
    inflict: (stage) => restartInOrder(stage, stage.eqiad.slice(0, 1)),
    lastsMs: 0,
    expects: [nothingFails('eqiad', 'codfw')],
  },
  {
    name: 'nodes-restarted',
    title: 'Rolling restart of the nodes',
    inflict: (stage) => restartInOrder(stage, [...stage.eqiad, ...stage.codfw]),
    lastsMs: 0,
    expects: [nothingFails('eqiad', 'codfw')],
  },
  {
    name: 'service-restarted',
    title: 'Rolling restart of the service',
    prepare: async ({ services }) => {
      for (const each of Object.values(services))
        while (each.processes.length < PROCESSES) await each.start();
      await inAll(Object.values(services), (each) => each.untilReady());
    },
    inflict: ({ services }) =>
      inAll(Object.values(services), async (each) => {
        for (const kask of each.processes.slice()) {
          await each.leave(kask);
          await each.start();
          await each.untilReady();
        }
      }),
    lastsMs: 0,
    verify: async ({ services }) => {
      for (const each of Object.values(services))
        for (const kask of each.processes.slice(1)) await each.leave(kask);
    },
    expects: [nothingFails('eqiad', 'codfw')],
  },
  {
    name: 'all-down',
    title: 'All nodes down and up',
    inflict: (stage) => killAll(stage),
    lastsMs: TROUBLE_MS,
    mend: (stage) => restart(stage, stage.cluster.nodes),
    expects: [recoversWithin(SERVES_AGAIN, 'eqiad', 'codfw')],
  },
  deletesWhile('delete-datacenter-killed', 'DELETE while the other datacenter is down', {
    begin: ({ cluster, codfw }) => inAll(codfw, (node) => cluster.kill(node)),
    end: (stage) => restart(stage, stage.codfw),
  }),
  deletesWhile('delete-datacenters-parted', 'DELETE during a partition between the datacenters', {
    begin: ({ cluster, eqiad, codfw }) => cluster.partition(eqiad, codfw),
    end: ({ cluster }) => cluster.heal(),
  }),
  overload(),
  {
    name: 'service-first',
    title: 'Cassandra starts after the service',
    inflict: async (stage) => {
      await killAll(stage);
      await inAll(Object.values(stage.services), async (each) => {
        const [before] = each.processes;
        await each.start();
        if (before) await each.leave(before);
      });
    },
    lastsMs: TROUBLE_MS,
    mend: (stage) => restart(stage, stage.cluster.nodes),
    expects: [recoversWithin(SERVES_AGAIN, 'eqiad', 'codfw')],
  },
  {
    name: 'other-addresses',
    title: 'Nodes come back under other addresses, one after the other',
    inflict: async (stage) => {
      for (const node of stage.eqiad) {
        await stage.cluster.terminate(node);
        await stage.cluster.restartElsewhere(node);
        await stage.untilWell();
      }
    },
    lastsMs: TROUBLE_MS,
    verify: async ({ services, cluster, findings }) => {
      for (const kask of services.eqiad.processes) {
        const up = await metric(kask, 'kask_cassandra_hosts_up');
        if (up !== cluster.nodes.length) findings.violation(`the service believes that ${up} nodes are up`);
      }
    },
    expects: [nothingFails('eqiad', 'codfw')],
  },
];

/** The first while nodes still believe the others alive, the second when they know better. */
function deletesWhile(
  name: string,
  title: string,
  outage: { begin: (stage: Stage) => Promise<void>; end: (stage: Stage) => Promise<void> },
): Scenario {
  const [early, late] = ['enwiki:MWSession:early', 'enwiki:MWSession:late'];
  let logouts: Logouts;
  return {
    name,
    title,
    prepare: async (stage) => {
      logouts = new Logouts(stage);
      await logouts.logIn([early, late]);
    },
    inflict: async (stage) => {
      await outage.begin(stage);
      await logouts.logOut(early);
      await inAll(stage.eqiad, (node) => untilRefuses(node, quorum));
      await logouts.logOut(late);
    },
    lastsMs: 5_000,
    mend: async (stage) => {
      await outage.end(stage);
      await inAll([...stage.eqiad, ...stage.codfw], (node) => untilServes(node, quorum));
    },
    verify: () => logouts.verify(),
    expects: [onlyDeletesFail('eqiad'), recoversWithin(SERVES_AGAIN, 'eqiad', 'codfw')],
  };
}

async function killAll({ cluster }: Stage): Promise<void> {
  await inAll(cluster.nodes, (node) => cluster.kill(node));
}

/** Resolves when the nodes have quorum again. */
async function restart({ cluster }: Stage, nodes: readonly CassandraNode[]): Promise<void> {
  await inAll(nodes, (node) => cluster.restart(node));
  await inAll(nodes, (node) => untilServes(node, localQuorum));
}

/** As an operator does it, who waits for each before the next. */
async function restartInOrder(stage: Stage, nodes: readonly CassandraNode[]): Promise<void> {
  for (const node of nodes) {
    await stage.cluster.terminate(node);
    await stage.cluster.restart(node);
    await stage.untilWell();
  }
}

async function inAll<T>(all: readonly T[], act: (each: T) => Promise<void>): Promise<void> {
  await Promise.all(all.map(act));
}
