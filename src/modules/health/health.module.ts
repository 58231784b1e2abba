import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { HealthController } from './health.controller.js';
import { Pool } from './pool.js';
import { Readiness } from './readiness.js';
import { StorageProbe } from './storage-probe.js';

@Module({
  // Terminus would log each answer of a probe that is not ready; StorageProbe tells it once.
  imports: [TerminusModule.forRoot({ logger: false })],
  controllers: [HealthController],
  providers: [Pool, Readiness, StorageProbe],
  exports: [Readiness],
})
export class HealthModule {}
