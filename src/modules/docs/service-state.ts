import { Inject, Injectable } from '@nestjs/common';
import { buildInfo } from '../../build-info.js';
import { Settings } from '../../config/settings.js';
import { Readiness } from '../health/readiness.js';
import { type Datacenter, StorageDatacenters } from '../storage/storage-datacenters.js';

/** What the page shows beside its form. */
export interface State {
  version: string;
  storage: Settings['storage'];
  datacenters: readonly Datacenter[];
  ready: boolean;
  /** Why it is not ready. */
  reasons: string[];
}

@Injectable()
export class ServiceState {
  constructor(
    private readonly settings: Settings,
    private readonly readiness: Readiness,
    @Inject(StorageDatacenters) private readonly datacenters: StorageDatacenters | null,
  ) {}

  now(): State {
    const checks = this.readiness.checks.flatMap((check) => Object.entries(check()));
    const down = checks.filter(([, { status }]) => status === 'down');
    return {
      version: buildInfo.version,
      storage: this.settings.storage,
      datacenters: this.datacenters?.list() ?? [],
      ready: down.length === 0,
      reasons: down.map(([name, { reason }]) => `${name}: ${String(reason)}`),
    };
  }
}
