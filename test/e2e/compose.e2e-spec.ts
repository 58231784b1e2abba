import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { sharedCassandra, uniqueKeyspace } from '../harness/cassandra/cluster-of-the-run.js';
import { Guardian } from '../harness/guardian.js';
import { KaskProcess } from '../harness/kask.js';
import { originOf } from '../harness/mediawiki.js';
import { MEDIAWIKI, requireMediaWiki } from '../harness/php.js';
import { requirePrometheus } from '../harness/prerequisites.js';
import { pythonProgram } from '../harness/python-program.js';
import { REPOSITORY } from '../harness/repository.js';
import { requestCounts } from '../harness/request-counts.js';
import { WikiUser } from '../harness/wiki-user.js';

jest.setTimeout(180_000);

interface Service {
  image: string;
  command?: string[];
  environment?: Record<string, string>;
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: unknown;
}

const execute = promisify(execFile);
const COMPOSE = path.join(REPOSITORY, 'docker-compose.yml');
const MAIN = path.join(REPOSITORY, 'dist/main.js');
const CONFIG = path.join(REPOSITORY, 'ops/compose/kask.yaml');
const { services } = parse(readFileSync(COMPOSE, 'utf8'), { merge: true }) as {
  services: Record<string, Service>;
};

// No engine is here that could pull the images: what each service is given is tried with what this machine has.
describe('docker-compose.yml', () => {
  it('is what the Compose Specification says', async () => {
    const check = await pythonProgram('check-jsonschema==0.39.0', 'check-jsonschema');
    const { stdout } = await execute(check, ['--builtin-schema', 'vendor.compose-spec', COMPOSE]);
    expect(stdout).toContain('ok -- validation done');
  });

  it('names images by their version', () => {
    const images = Object.values(services).map(({ image }) => image);
    expect(images.filter((image) => !/:(v?\d+\.\d+\.\d+|development)$/.test(image))).toEqual([]);
  });

  it('mounts what is there', () => {
    const mounted = Object.values(services).flatMap(({ volumes = [] }) => volumes);
    const files = mounted.filter((each) => each.startsWith('./')).map((each) => each.split(':')[0] as string);
    expect(files.filter((file) => !existsSync(path.join(REPOSITORY, file)))).toEqual([]);
  });

  it('waits only for who can say that they are well', () => {
    const waits = Object.values(services).flatMap(({ depends_on = {} }) => Object.entries(depends_on));
    const unhealthy = waits.filter(
      ([name, { condition }]) => condition === 'service_healthy' && !services[name]?.healthcheck,
    );
    expect(unhealthy).toEqual([]);
  });
});

describe('Prometheus', () => {
  it('takes its configuration, and our rules by it', async () => {
    requirePrometheus();
    const directory = mkdtempSync(path.join(tmpdir(), 'kask-compose-'));
    for (const mount of services['prometheus']?.volumes ?? []) {
      const [file = '', place = ''] = mount.split(':');
      cpSync(path.join(REPOSITORY, file), path.join(directory, path.basename(place)));
    }
    const { stdout } = await execute('promtool', ['check', 'config', path.join(directory, 'prometheus.yml')]);
    expect(stdout).toMatch(/SUCCESS: .*prometheus\.yml is valid/);
    expect(stdout).toMatch(/SUCCESS: \d+ rules found/);
    rmSync(directory, { recursive: true });
  });
});

describe('the service', () => {
  let kask: KaskProcess;
  const { hosts, port } = sharedCassandra();
  let keyspace: Awaited<ReturnType<typeof uniqueKeyspace>>;
  let env: Record<string, string>;

  beforeAll(async () => {
    // Ours alone by its name; the command makes it anew.
    keyspace = await uniqueKeyspace();
    await keyspace.drop();
    env = {
      KASK_CASSANDRA_HOSTS: hosts.join(','),
      KASK_CASSANDRA_PORT: String(port),
      KASK_CASSANDRA_KEYSPACE: keyspace.name,
      KASK_LISTEN_ADDRESS: '127.0.0.1',
      KASK_LISTEN_PORT: '0',
      KASK_MANAGEMENT_LISTEN_ADDRESS: '127.0.0.1',
      KASK_MANAGEMENT_LISTEN_PORT: '0',
    };
  });
  afterAll(async () => {
    await kask?.stop();
    await keyspace?.drop();
  });

  it('finds nothing wrong with its configuration', async () => {
    const { stdout } = await execute(MAIN, ['--config', CONFIG, '--check-config']);
    const warnings = stdout.split('\n').filter((line) => line.startsWith('# warning'));
    expect(warnings).toEqual([
      expect.stringMatching(/authentication: none, and listen_address is not loopback/),
    ]);
  });

  it('has its table made, and serves', async () => {
    const { command = [] } = services['schema'] as Service;
    const { stdout } = await execute(MAIN, [...command, '--config', CONFIG], {
      env: { ...process.env, ...env },
    });
    expect(stdout).toMatch(/table.*created/);
    kask = await KaskProcess.start({}, { env, program: () => [MAIN, '--config', CONFIG] });
    expect((await fetch(kask.url('key'), { method: 'POST', body: 'value' })).status).toBe(201);
    expect(await (await fetch(kask.url('key'))).text()).toBe('value');
  });

  it('gets traffic of each kind', async () => {
    const traffic = path.join(REPOSITORY, 'ops/compose/traffic.mjs');
    const child = spawn(process.execPath, [traffic, kask.url('')], { stdio: 'inherit' });
    const wanted = ['DELETE 204', 'GET 200', 'GET 404', 'POST 201'];
    let seen: string[] = [];
    try {
      for (let second = 0; second < 60 && seen.length < wanted.length; second++) {
        await sleep(1_000);
        seen = Object.keys(await requestCounts(kask)).filter((each) => wanted.includes(each));
      }
    } finally {
      child.kill();
    }
    expect(seen.sort()).toEqual(wanted);
  });
});

describe('the wiki', () => {
  const NAME = 'Ada';
  let directory: string;
  let guardian: Guardian;
  let kask: KaskProcess;
  let served: ChildProcess;
  let url: string;

  beforeAll(async () => {
    requireMediaWiki();
    directory = mkdtempSync(path.join(tmpdir(), 'kask-compose-wiki-'));
    guardian = new Guardian(directory);
    kask = await KaskProcess.start({ storage: 'embedded' });
    url = await serveWiki();
  });
  afterAll(async () => {
    await kask?.stop();
    await guardian?.finish();
  });

  it('lets in who is named in its documents, with a session in the service', async () => {
    const user = new WikiUser({ url, id: 'wiki' });
    const page = await user.logIn(NAME, passwordInDocuments());
    expect(page).toMatchObject({ status: 200, userName: NAME });
    const session = await fetch(kask.url(user.sessionKey()));
    expect(await session.text()).toContain('wsUserName');
  });

  it('is not installed a second time', async () => {
    served.kill('SIGKILL');
    const made = statSync(path.join(directory, 'LocalSettings.php')).mtimeMs;
    url = await serveWiki();
    expect(statSync(path.join(directory, 'LocalSettings.php')).mtimeMs).toBe(made);
    expect((await new WikiUser({ url, id: 'wiki' }).logIn(NAME, passwordInDocuments())).userName).toBe(NAME);
  });

  function serveWiki(): Promise<string> {
    const place = path.join(REPOSITORY, 'ops/compose/mediawiki');
    served = spawn('bash', [`${place}/start.sh`, 'php', '-S', '127.0.0.1:0', '-t', MEDIAWIKI], {
      env: {
        ...process.env,
        ...services['mediawiki']?.environment,
        MW_INSTALL_PATH: MEDIAWIKI,
        MW_CONFIG_FILE: `${place}/LocalSettings.php`,
        WIKI_DIRECTORY: directory,
        WIKI_SESSIONS_URL: kask.url(''),
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    guardian.watch([served.pid as number]);
    return originOf(served);
  }

  function passwordInDocuments(): string {
    const text = readFileSync(path.join(REPOSITORY, 'docs/development.md'), 'utf8');
    return /`Ada`, password `([^`]+)`/.exec(text)?.[1] ?? '';
  }
});
