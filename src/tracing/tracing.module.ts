import { Module } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { Settings } from '../config/settings.js';
import { Metrics } from '../modules/metrics/metrics.js';
import { Tracer } from './tracer.js';

@Module({
  providers: [{ provide: Tracer, inject: [Settings, Metrics, PinoLogger], useFactory: tracerOf }],
  exports: [Tracer],
})
export class TracingModule {}

async function tracerOf(settings: Settings, metrics: Metrics, logger: PinoLogger): Promise<Tracer | null> {
  const dropped = metrics.counter(
    'kask_spans_dropped_total',
    'Spans of traces that the collector did not take in time, or at all',
  );
  if (!settings.tracing) return null;
  const { OtlpTracer } = await import('./otlp-tracer.js');
  return new OtlpTracer(settings.tracing, settings, (spans) => dropped.inc(spans), logger.logger);
}
