import { type DynamicModule, Global, Module } from '@nestjs/common';
import { PrometheusModule } from '@willsoto/nestjs-prometheus';
import { Registry } from 'prom-client';
import { MetricsController } from './metrics.controller.js';
import { Metrics } from './metrics.js';

/** Each sample wakes the process up: at the default of 10 ms that is most of what it does when idle. */
const EVENT_LOOP_SAMPLES_MS = 50;

@Global()
@Module({})
export class MetricsModule {
  static register(): DynamicModule {
    const registry = new Registry();
    const exposition = PrometheusModule.register({
      controller: MetricsController,
      defaultMetrics: {
        enabled: true,
        config: { register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLES_MS },
      },
    });
    const registryProvider = { provide: Registry, useValue: registry };
    exposition.providers?.push(registryProvider);
    return {
      module: MetricsModule,
      imports: [exposition],
      providers: [registryProvider, Metrics],
      exports: [Metrics],
    };
  }
}
