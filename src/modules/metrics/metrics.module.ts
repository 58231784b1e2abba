import { type DynamicModule, Global, Module } from '@nestjs/common';
import { PrometheusModule } from '@willsoto/nestjs-prometheus';
import { Registry } from 'prom-client';
import { MetricsController } from './metrics.controller.js';
import { Metrics } from './metrics.js';

@Global()
@Module({})
export class MetricsModule {
  static register(): DynamicModule {
    const registry = new Registry();
    const exposition = PrometheusModule.register({
      controller: MetricsController,
      defaultMetrics: { enabled: true, config: { register: registry } },
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
