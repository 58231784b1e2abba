import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import type { Manifest } from './helm.js';
import { pythonProgram } from './python-program.js';

/** The schemas of many releases of Kubernetes. */
export class KubernetesSchemas {
  private constructor(private readonly program: string) {}

  static async fetch(): Promise<KubernetesSchemas> {
    return new KubernetesSchemas(await pythonProgram('kubernetes-validate==1.37.0', 'kubernetes-validate'));
  }

  /** What a release would refuse; what it knows by an extension alone is passed over. */
  faults(manifests: Manifest[], kubernetes: string): string[] {
    const directory = mkdtempSync(path.join(tmpdir(), 'kask-manifests-'));
    const file = path.join(directory, 'manifests.yaml');
    writeFileSync(file, manifests.map((each) => `---\n${stringify(each, { version: '1.1' })}`).join(''));
    const args = ['--strict', '--quiet', '--no-warn', '--kubernetes-version', kubernetes, file];
    const { status, stdout, stderr, error } = spawnSync(this.program, args, { encoding: 'utf8' });
    rmSync(directory, { recursive: true });
    if (error) throw error;
    const lines = `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
    return status === 0 ? [] : lines;
  }
}
