// The real SDK of OpenTelemetry in this process, for one test.

import { context, propagation, trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node';
import { expect, onTestFinished } from 'vitest';
import { closeTracing, openTracing } from '../../base/process/tracing.ts';

export const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
export const SPAN_ID = 'b7ad6b7169203331';
/** The header of a caller whose trace is recorded. */
export const SAMPLED = `00-${TRACE_ID}-${SPAN_ID}-01`;
/** That of one whose trace is not. */
export const UNSAMPLED = `00-${TRACE_ID}-${SPAN_ID}-00`;

/**
 * To be called inside a test: registers an SDK and switches tracing on until the test has finished.
 */
export async function traced(): Promise<() => readonly ReadableSpan[]> {
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  provider.register();
  onTestFinished(async () => {
    closeTracing();
    for (const each of [trace, context, propagation]) each.disable();
    await provider.shutdown();
  });
  await openTracing((sentence) => expect.fail(sentence));
  return () => exporter.getFinishedSpans();
}

/**
 * Each span below its parent, by name: `a > b` for a span b in a span a. In the order of their
 * ends.
 */
export function paths(spans: readonly ReadableSpan[]): string[] {
  const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]));
  const pathOf = (span: ReadableSpan): string => {
    const parentId = span.parentSpanContext?.spanId;
    const parent = byId.get(parentId ?? '');
    if (parent !== undefined) return `${pathOf(parent)} > ${span.name}`;
    return parentId === undefined ? span.name : `(${parentId}) > ${span.name}`;
  };
  return spans.map(pathOf);
}
