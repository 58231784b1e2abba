import { Inject, Injectable } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { StorageClock } from '../storage/storage-clock.js';
import { Pool } from './pool.js';
import { StorageProbe } from './storage-probe.js';

/** Whether this process should be sent requests: it is neither leaving nor depooled, its storage serves, and so does its clock. */
@Injectable()
export class Readiness {
  private leaving = false;

  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly probe: StorageProbe,
    private readonly pool: Pool,
    @Inject(StorageClock) private readonly storageClock: StorageClock | null,
  ) {}

  /** From now on not ready, while what still comes is served. */
  leave(): void {
    this.leaving = true;
    this.pool.close();
  }

  /** All that it takes. */
  get checks(): (() => HealthIndicatorResult)[] {
    return [() => this.service(), () => this.storage(), () => this.clock()];
  }

  private service(): HealthIndicatorResult<'service'> {
    const indicator = this.indicators.check('service');
    if (this.leaving) return indicator.down({ reason: 'shutting down' });
    return this.pool.isDepooled ? indicator.down({ reason: 'depooled' }) : indicator.up();
  }

  private storage(): HealthIndicatorResult<'storage'> {
    const indicator = this.indicators.check('storage');
    const { state } = this.probe;
    return state.up ? indicator.up() : indicator.down({ reason: state.reason });
  }

  /** Nothing where the storage does not care about clocks. */
  private clock(): HealthIndicatorResult {
    if (!this.storageClock) return {};
    const indicator = this.indicators.check('clock');
    const { fault } = this.storageClock;
    return fault ? indicator.down({ reason: fault }) : indicator.up();
  }
}
