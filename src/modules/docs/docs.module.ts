import { Module } from '@nestjs/common';
import { HealthModule } from '../health/health.module.js';
import { OpenapiModule } from '../openapi/openapi.module.js';
import { DocsController } from './docs.controller.js';
import { ServiceState } from './service-state.js';

/** Where `docs_page` is on; otherwise there are no such paths. */
@Module({ imports: [HealthModule, OpenapiModule], controllers: [DocsController], providers: [ServiceState] })
export class DocsModule {}
