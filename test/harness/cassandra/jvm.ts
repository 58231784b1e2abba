import type { NodeFiles } from './node-files.js';

/** A small heap and the simple collector and compiler: the fast compiler alone saves a third of a boot's CPU time. */
const SMALL_AND_QUICK = ['-Xms256m', '-Xmx256m', '-Xss256k', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

// Cassandra reaches into these packages of the JDK and does not start without them.
const EXPORTS = [
  'java.base/java.lang.ref',
  'java.base/java.lang.reflect',
  'java.base/jdk.internal.misc',
  'java.management.rmi/com.sun.jmx.remote.internal.rmi',
  'java.rmi/sun.rmi.registry',
  'java.rmi/sun.rmi.server',
  'java.rmi/sun.rmi.transport.tcp',
  'java.sql/java.sql',
  'jdk.unsupported/sun.misc',
];
const OPENS = [
  'java.base/java.io',
  'java.base/java.lang',
  'java.base/java.lang.module',
  'java.base/java.lang.reflect',
  'java.base/java.net',
  'java.base/java.nio',
  'java.base/java.util',
  'java.base/java.util.concurrent',
  'java.base/java.util.concurrent.atomic',
  'java.base/jdk.internal.loader',
  'java.base/jdk.internal.math',
  'java.base/jdk.internal.module',
  'java.base/jdk.internal.ref',
  'java.base/jdk.internal.reflect',
  'java.base/jdk.internal.util.jar',
  'java.base/sun.nio.ch',
  'jdk.management/com.sun.management.internal',
];

/** What Cassandra, and its tools, have to be given of the JDK. */
export const MODULES = [
  ...EXPORTS.map((each) => `--add-exports=${each}=ALL-UNNAMED`),
  ...OPENS.map((each) => `--add-opens=${each}=ALL-UNNAMED`),
  '-Djdk.attach.allowAttachSelf=true',
];

/**
 * Cassandra's own switches. Tempting and wrong is `cassandra.unsafesystem`: a node boots faster with it, and has
 * forgotten its schema after SIGKILL.
 */
const PROPERTIES = {
  'java.net.preferIPv4Stack': 'true',
  'cassandra-foreground': 'yes',
  // Boot without waits that only make sense among strangers.
  'cassandra.skip_wait_for_gossip_to_settle': '0',
  'cassandra.skip_paxos_state_rebuild': 'true',
  'cassandra.shutdown_announce_in_ms': '0',
  // A node that is still joining counts as a client in gossip and is thrown out after half of the quarantine, for
  // good. The quarantine follows the ring delay unless it is given: shorten the one, keep the other long.
  'cassandra.ring_delay_ms': '1000',
  'cassandra.gossip_quarantine_delay_ms': '120000',
  // Measured at each boot unless it is given: 3 s of CPU.
  'cassandra.memtable.row_overhead_size': '180',
  // The default role exists half a second after boot rather than ten, and its hash is cheap.
  'cassandra.superuser_setup_delay_ms': '500',
  'cassandra.auth_bcrypt_gensalt_log2_rounds': '4',
};

/** The arguments of `java` for a node; `clusterSize` is how many nodes hold the roles from the start. */
export function javaArguments(
  files: NodeFiles,
  classPath: string,
  clusterSize: number,
  more: string[] = [],
): string[] {
  const properties = {
    ...PROPERTIES,
    'cassandra.config': `file://${files.yaml}`,
    'cassandra-rackdc.properties': `file://${files.rackdc}`,
    'logback.configurationFile': `file://${files.logback}`,
    'cassandra.storagedir': files.directory,
    'cassandra.system_auth.default_rf': String(clusterSize),
  };
  return [
    ...MODULES,
    ...SMALL_AND_QUICK,
    ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
    ...more,
    '-cp',
    classPath,
    'org.apache.cassandra.service.CassandraDaemon',
  ];
}
