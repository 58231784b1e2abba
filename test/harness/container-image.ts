import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { fetchNode } from '../../bench/peers/node-releases.js';
import { Guardian } from './guardian.js';
import { KaskProcess } from './kask.js';
import { requireContainerTools } from './prerequisites.js';
import { REPOSITORY } from './repository.js';

const IMAGE = 'localhost/kask';
const BASE = 'localhost/node';
const CACHE = path.join(REPOSITORY, '.cache/image');
const AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt';
/** Rights, files and memory as the chart gives them; the network is ours, so that the origin in the log is the one to ask. */
const CONFINED = [
  '--read-only',
  '--read-only-tmpfs=false',
  '--cap-drop=all',
  '--security-opt=no-new-privileges',
];
const RUN = [
  'run',
  '--rm',
  '--network=host',
  '--ulimit=nofile=1024:1024',
  '--ulimit=nproc=1024:1024',
  ...CONFINED,
];

const execute = promisify(execFile);

/** Of `podman image inspect`, what a runtime goes by. */
export interface ImageConfig {
  User: string;
  Env: string[];
  WorkingDir: string;
  Entrypoint: string[];
  Cmd: string[];
  StopSignal: string;
  Labels: Record<string, string>;
}

/** What the Dockerfile makes of this working tree, on a base of our own: nothing is pulled. */
export class ContainerImage {
  /** Its file system, as far as one can look at it from outside. */
  root = '';

  private constructor(
    private readonly directory: string,
    private readonly storage: string[],
    private readonly guardian: Guardian,
  ) {}

  static async build(buildArguments: Record<string, string>): Promise<ContainerImage> {
    requireContainerTools();
    const directory = mkdtempSync(path.join(tmpdir(), 'kask-image-'));
    const storage = await storageIn(directory);
    const leave = `${podmanOn(storage).join(' ')} rm --all --force --time 0; buildah ${storage.join(' ')} umount --all`;
    const image = new ContainerImage(directory, storage, new Guardian(directory, leave));
    await image.make(buildArguments).catch(async (error: unknown) => {
      await image.remove();
      throw error;
    });
    return image;
  }

  async config(): Promise<ImageConfig> {
    const [found] = JSON.parse(await this.podman('image', 'inspect', IMAGE)) as { Config: ImageConfig }[];
    return (found as { Config: ImageConfig }).Config;
  }

  /** The service in a container, with its configuration where the charts mount it and an embedded store in memory. */
  start(settings: Record<string, unknown>): Promise<KaskProcess> {
    const name = `kask-${randomBytes(6).toString('hex')}`;
    const podman = podmanOn(this.storage);
    return KaskProcess.start(
      { embedded: { path: '/data' }, ...settings },
      {
        program: (file) => {
          const mounts = ['--tmpfs=/data:mode=1777', `--volume=${file}:/etc/kask/config.yaml:ro`];
          return [...podman, ...RUN, `--name=${name}`, ...mounts, IMAGE, '--config', '/etc/kask/config.yaml'];
        },
        lastCommand: `${podman.join(' ')} rm --force --time 0 ${name}`,
        startsWithinMs: 120_000,
      },
    );
  }

  /** What a program of the image prints. */
  run(program: string, ...args: string[]): Promise<string> {
    return this.podman(...RUN, `--entrypoint=${program}`, IMAGE, ...args);
  }

  async remove(): Promise<void> {
    await this.guardian.finish();
  }

  private async make(buildArguments: Record<string, string>): Promise<void> {
    const dockerfile = readFileSync(path.join(REPOSITORY, 'Dockerfile'), 'utf8');
    const [, version = '', suite = ''] = /^ARG BASE_IMAGE=.*:([\d.]+)-(\w+)-slim$/m.exec(dockerfile) ?? [];
    await this.podman('import', await baseOf(version, suite), BASE);
    const given = Object.entries({ BASE_IMAGE: BASE, ...buildArguments });
    await execute(
      'buildah',
      [...this.storage, 'bud', '--isolation=chroot', `--tag=${IMAGE}`]
        .concat(given.map(([name, value]) => `--build-arg=${name}=${value}`))
        .concat(await this.packageSources(), REPOSITORY),
      { maxBuffer: 16_777_216 },
    );
    const container = await this.buildah('from', IMAGE);
    this.root = await this.buildah('mount', container);
  }

  /** The registry and the packages that this machine has already, for npm in the build. */
  private async packageSources(): Promise<string[]> {
    const npmConfig = async (name: string): Promise<string> =>
      (await execute('npm', ['config', 'get', name], { cwd: tmpdir() })).stdout.trim();
    const npmrc = path.join(this.directory, 'npmrc');
    const trust = existsSync(AUTHORITIES) ? `cafile=${AUTHORITIES}\n` : '';
    writeFileSync(
      npmrc,
      `registry=${await npmConfig('registry')}\ncache=/npm-cache\nprefer-offline=true\n${trust}`,
    );
    return [
      `${npmrc}:/root/.npmrc:ro`,
      `${await npmConfig('cache')}:/npm-cache`,
      '/etc/ssl/certs:/etc/ssl/certs:ro',
    ].map((each) => `--volume=${each}`);
  }

  private async podman(...args: string[]): Promise<string> {
    const [program = '', ...options] = podmanOn(this.storage);
    return (await execute(program, [...options, ...args])).stdout.trim();
  }

  private async buildah(...args: string[]): Promise<string> {
    return (await execute('buildah', [...this.storage, ...args])).stdout.trim();
  }
}

/** Where nothing else is; in layers where the file system allows it, and otherwise in copies, which take longer. */
async function storageIn(directory: string): Promise<string[]> {
  const [layered, copied] = ['overlay', 'vfs'].map((driver) => [
    `--root=${directory}/${driver}`,
    `--runroot=${directory}/run-${driver}`,
    `--storage-driver=${driver}`,
  ]) as [string[], string[]];
  return execute('buildah', [...layered, 'info']).then(
    () => layered,
    () => copied,
  );
}

function podmanOn(storage: string[]): string[] {
  return ['podman', ...storage, '--cgroup-manager=cgroupfs', '--runtime=runc'];
}

/** A root file system like that of the image which the Dockerfile names, made the first time. */
async function baseOf(version: string, suite: string): Promise<string> {
  const base = path.join(CACHE, `node-${version}-${suite}.tar`);
  if (existsSync(base)) return base;
  mkdirSync(CACHE, { recursive: true });
  const scratch = mkdtempSync(`${base}-`);
  const local = path.join(scratch, 'root/usr/local');
  const npm = path.join((await execute('npm', ['root', '--global'])).stdout.trim(), 'npm');
  cpSync((await fetchNode(version)).path, path.join(local, 'bin/node'));
  cpSync(npm, path.join(local, 'lib/node_modules/npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', path.join(local, 'bin/npm'));
  const copyIn = `--customize-hook=copy-in ${local} /usr`;
  await execute('mmdebstrap', ['--quiet', '--variant=apt', copyIn, suite, `${scratch}/base.tar`]);
  renameSync(`${scratch}/base.tar`, base);
  rmSync(scratch, { recursive: true });
  return base;
}
