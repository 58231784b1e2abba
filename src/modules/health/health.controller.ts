import {
  type ArgumentsHost,
  Catch,
  Controller,
  type ExceptionFilter,
  Get,
  ServiceUnavailableException,
  UseFilters,
} from '@nestjs/common';
import { HealthCheck, type HealthCheckResult, HealthCheckService } from '@nestjs/terminus';
import type { FastifyReply } from 'fastify';
import { type BuildInfo, buildInfo } from '../../build-info.js';
import { Readiness } from './readiness.js';
import { type StorageState, StorageProbe } from './storage-probe.js';

/** Terminus throws what it found when a check is down; probes and people want to read it as it is. */
@Catch(ServiceUnavailableException)
class HealthReport implements ExceptionFilter<ServiceUnavailableException> {
  catch(report: ServiceUnavailableException, host: ArgumentsHost): void {
    void host.switchToHttp().getResponse<FastifyReply>().code(report.getStatus()).send(report.getResponse());
  }
}

@Controller('healthz')
@UseFilters(HealthReport)
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly readiness: Readiness,
    private readonly probe: StorageProbe,
  ) {}

  /** What is running, and how the storage was when it was last probed. Always 200: it asks nobody. */
  @Get()
  about(): BuildInfo & { storage: StorageState } {
    return { ...buildInfo, storage: this.probe.state };
  }

  /** This process turns over. Never about the storage: an outage of Cassandra must not restart every pod. */
  @Get('live')
  @HealthCheck()
  live(): Promise<HealthCheckResult> {
    return this.health.check([]);
  }

  /** 200 if requests should be sent here, else 503 and why not. */
  @Get('ready')
  @HealthCheck()
  ready(): Promise<HealthCheckResult> {
    return this.health.check(this.readiness.checks);
  }
}
