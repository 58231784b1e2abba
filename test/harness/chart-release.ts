import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { type Manifest, render, type RenderOptions } from './helm.js';

export interface Container {
  name: string;
  image: string;
  command: string[];
  args: string[];
  env: { name: string; value?: string; valueFrom?: { secretKeyRef: { name: string; key: string } } }[];
  ports: { name: string; containerPort: number }[];
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  resources: unknown;
  securityContext: unknown;
  startupProbe: unknown;
  livenessProbe: unknown;
  readinessProbe: unknown;
  lifecycle?: unknown;
  restartPolicy?: string;
}

interface Volume {
  name: string;
  configMap?: { name: string };
  secret?: { secretName: string; defaultMode: number; items?: { key: string; path: string }[] };
  emptyDir?: object;
  persistentVolumeClaim?: { claimName: string };
}

export interface PodSpec {
  initContainers?: Container[];
  containers: Container[];
  volumes: Volume[];
  terminationGracePeriodSeconds: number;
  [more: string]: unknown;
}

interface DeploymentSpec {
  replicas?: number;
  strategy: unknown;
  selector: { matchLabels: Record<string, string> };
  template: {
    metadata: { labels: Record<string, string>; annotations: Record<string, string> };
    spec: PodSpec;
  };
}

/** Secrets that others made: what each holds, by name. */
export type Secrets = Record<string, Record<string, string>>;

/** What the chart makes of some values, with its parts at hand. */
export class ChartRelease {
  readonly manifests: Manifest[];

  constructor(values: object = {}, options: RenderOptions = {}) {
    this.manifests = render(values, options);
  }

  all(kind: string): Manifest[] {
    return this.manifests.filter((each) => each.kind === kind);
  }

  /** The one of a kind, or of a kind and name. */
  one(kind: string, name?: string): Manifest {
    const found = this.all(kind).filter(({ metadata }) => name === undefined || metadata.name === name);
    if (found.length !== 1) throw new Error(`${found.length} ${kind} ${name ?? ''}`);
    return found[0] as Manifest;
  }

  get deployment(): DeploymentSpec {
    return this.one('Deployment').spec as DeploymentSpec;
  }

  get pod(): PodSpec {
    return this.deployment.template.spec;
  }

  /** That of the service. */
  get container(): Container {
    return this.pod.containers[0] as Container;
  }

  get annotations(): Record<string, string> {
    return this.deployment.template.metadata.annotations;
  }

  get configText(): string {
    const { name } = this.pod.volumes.find((volume) => volume.name === 'config-volume')?.configMap ?? {};
    return this.one('ConfigMap', name).data?.['config.yaml'] as string;
  }

  get config(): Record<string, unknown> {
    return parse(this.configText) as Record<string, unknown>;
  }

  /**
   * Puts a container's files below a directory, where the container has them below its root. Gives the configuration,
   * with all paths below that directory too, and the environment.
   */
  mount(directory: string, existing: Secrets = {}): { config: string; env: Record<string, string> } {
    const secrets = { ...existing };
    for (const { metadata, stringData } of this.all('Secret')) secrets[metadata.name] = stringData ?? {};
    const below = (text: string) =>
      text.replaceAll(/(?<=^|[\s"'])\/(?=etc\/|var\/|srv\/)/gm, `${directory}/`);
    for (const { name, mountPath } of this.container.volumeMounts) {
      const folder = path.join(directory, mountPath);
      mkdirSync(folder, { recursive: true });
      const { secret, configMap } = this.pod.volumes.find((volume) => volume.name === name) as Volume;
      if (configMap) writeFileSync(path.join(folder, 'config.yaml'), below(this.configText));
      for (const item of secret?.items ?? []) {
        const text = secrets[secret?.secretName as string]?.[item.key];
        if (text === undefined) throw new Error(`no ${item.key} in the Secret ${secret?.secretName}`);
        writeFileSync(path.join(folder, item.path), text, { mode: 0o440 });
      }
    }
    const variables = this.container.env.map(({ name, value, valueFrom }) => {
      const { name: secret = '', key = '' } = valueFrom?.secretKeyRef ?? {};
      return [name, below(value ?? secrets[secret]?.[key] ?? '')] as const;
    });
    return { config: path.join(directory, 'etc/kask/config.yaml'), env: Object.fromEntries(variables) };
  }
}
