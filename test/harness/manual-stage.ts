import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cassandraClassPath } from './cassandra/jars.js';
import { CassandraCluster } from './cassandra/cluster.js';
import { MODULES } from './cassandra/jvm.js';
import { SUPERUSER } from './cassandra/node-client.js';
import { CertificateAuthority } from './certificates.js';
import { freePorts } from './free-ports.js';
import { Guardian } from './guardian.js';
import { requireJava } from './prerequisites.js';
import { RedisServer } from './redis-server.js';
import { REPOSITORY } from './repository.js';

/**
 * A machine of an operator: `kask`, `nodetool` and `curl`, a Cassandra node with passwords, and stand-ins for `cqlsh`
 * and `systemctl`, and a Redis with three sessions of PHP. Paths, ports and names of the manual are others here.
 */
export class ManualStage {
  private readonly groups: number[] = [];

  private constructor(
    private readonly directory: string,
    private readonly cluster: CassandraCluster,
    private readonly redis: RedisServer,
    private readonly names: ReadonlyMap<string, string>,
    private readonly guardian: Guardian,
  ) {}

  static async open(): Promise<ManualStage> {
    const directory = mkdtempSync(path.join(tmpdir(), 'kask-manual-'));
    const guardian = new Guardian(directory);
    const [jmx, sessions, management] = (await freePorts(3)) as [number, number, number];
    const jvm = [`-Dcassandra.jmx.local.port=${jmx}`];
    const cluster = await CassandraCluster.start({ datacenters: { eqiad: 1 }, authentication: true, jvm });
    const [node] = cluster.nodes;
    if (!node) throw new Error('a cluster of one node has none');
    const redis = await RedisServer.start();
    for (const id of ['a', 'b', 'c']) redis.ask('set', `PHPREDIS_SESSION:${id}`, 'user|i:1;', 'ex', '3600');
    const names = new Map([
      ['/etc/kask', path.join(directory, 'etc')],
      ['/var/lib/kask', path.join(directory, 'lib')],
      ['/var/lib/cassandra', path.join(cluster.directory, node.name)],
      ['cassandra1.example.org', node.address],
      ['redis1.example.org:6379', `127.0.0.1:${redis.port}`],
      ['localhost:8080', `localhost:${sessions}`],
      ['listen_port: 8080', `listen_port: ${sessions}`],
      ['localhost:9090', `localhost:${management}`],
      ['listen_port: 9090', `listen_port: ${management}`],
    ]);
    for (const name of ['bin', 'etc', 'lib']) mkdirSync(path.join(directory, name));
    await writePrograms(directory, node.address, jmx);
    writeFileSync(path.join(directory, 'etc/admin-password'), SUPERUSER.password);
    writeCertificates(path.join(directory, 'etc'));
    return new ManualStage(directory, cluster, redis, names, guardian);
  }

  /** As in this stage: the manual's names are replaced. */
  here(text: string): string {
    return [...this.names].reduce((replaced, [name, ours]) => replaced.replaceAll(name, ours), text);
  }

  /** Runs commands as bash does, up to the first that fails; what they leave running ends with the stage. */
  async run(script: string): Promise<{ status: number | null; output: string }> {
    const file = path.join(this.directory, 'output');
    const child = spawn('bash', ['-euo', 'pipefail', '-c', `exec >${file} 2>&1\n${this.here(script)}`], {
      cwd: this.directory,
      detached: true,
      stdio: 'ignore',
      env: { ...process.env, ...this.environment() },
    });
    this.groups.push(-(child.pid as number));
    this.guardian.watch(this.groups.filter(hasProcesses));
    const [status] = (await once(child, 'exit')) as [number | null];
    return { status, output: readFileSync(file, 'utf8') };
  }

  /** What the service said, for messages. */
  get log(): string {
    const file = path.join(this.directory, 'log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** What a page sets once holds for its readers' shell and the service; a block has a shell of its own. */
  private environment(): Record<string, string> {
    return {
      PATH: `${path.join(this.directory, 'bin')}:${process.env.PATH}`,
      KASK_CASSANDRA_AUTHENTICATION_PASSWORD_FILE: path.join(this.directory, 'etc/cassandra-password'),
      KASK_SHUTDOWN_DELAY_MS: '0',
    };
  }

  async close(): Promise<void> {
    this.guardian.watch(this.groups.filter(hasProcesses));
    await this.guardian.finish();
    await this.redis.stop();
    await this.cluster.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Of a process group, by its negative id. */
function hasProcesses(group: number): boolean {
  try {
    return process.kill(group, 0);
  } catch {
    return false;
  }
}

/** `nodetool` is Cassandra's, without the script that starts it; it keeps a history in the home directory. */
async function writePrograms(directory: string, address: string, jmx: number): Promise<void> {
  const quiet = path.join(directory, 'logback.xml');
  writeFileSync(quiet, '<configuration/>');
  const jvm = ['-Xmx128m', '-XX:TieredStopAtLevel=1', `-Duser.home=${directory}`, ...MODULES];
  const nodetool = ['org.apache.cassandra.tools.NodeTool', '-h', '127.0.0.1', '-p', String(jmx)];
  const logging = `-Dlogback.configurationFile=${quiet}`;
  const commands = {
    nodetool: [requireJava(), ...jvm, logging, '-cp', await cassandraClassPath(), ...nodetool],
    cqlsh: ['node', path.join(REPOSITORY, 'test/harness/cqlsh.cjs'), address, ...Object.values(SUPERUSER)],
  };
  for (const [name, command] of Object.entries(commands))
    writeProgram(directory, name, `exec '${command.join("' '")}' "$@"`);
  writeProgram(directory, 'systemctl', systemctl(directory));
  symlinkSync(path.join(REPOSITORY, 'dist/main.js'), path.join(directory, 'bin/kask'));
}

function writeProgram(directory: string, name: string, script: string): void {
  writeFileSync(path.join(directory, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

/** `start`, `stop` and `restart`, whatever the unit: it is the service. */
function systemctl(directory: string): string {
  return `cd '${directory}'
stop() { kill "$(cat pid)" && while ps -o stat= -p "$(cat pid)" | grep -q '^[^Z]'; do sleep 0.1; done; }
start() {
  kask --config '${directory}/etc/config.yaml' >>log 2>&1 </dev/null &
  echo $! >pid
}
case $1 in restart) stop && start;; *) $1;; esac`;
}

/** As somebody gave them to the operator: those that are used, and in `new` those that are to replace them. */
function writeCertificates(directory: string): void {
  const authority = CertificateAuthority.create(path.join(directory, 'authority'), 'An authority');
  const identity = { names: ['localhost'], addresses: ['127.0.0.1'] };
  copyFileSync(authority.certificate, path.join(directory, 'ca.crt'));
  for (const folder of ['.', 'new']) {
    const { certificate, key } = authority.issueServer(`server-${folder}`, identity);
    mkdirSync(path.join(directory, folder), { recursive: true });
    copyFileSync(certificate, path.join(directory, folder, 'tls.crt'));
    copyFileSync(key, path.join(directory, folder, 'tls.key'));
  }
}
