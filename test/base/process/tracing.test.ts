import { setTimeout as delay } from 'node:timers/promises';
import { context, trace } from '@opentelemetry/api';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { expect, it, onTestFinished, vi } from 'vitest';
import {
  beginCall,
  beginSpan,
  flushSpans,
  inSpan,
  isTracing,
  openTracing,
} from '../../../base/process/tracing.ts';
import { SAMPLED, SPAN_ID, TRACE_ID, UNSAMPLED, paths, traced } from '../../support/spans.ts';

const header = (value: string) => (name: string) => (name === 'traceparent' ? value : undefined);

it('does nothing without an SDK', async () => {
  await openTracing((sentence) => expect.fail(sentence));
  expect(isTracing()).toBe(false);
  expect(beginSpan('a')).toBeUndefined();
  expect(beginCall('a', {})).toBeUndefined();
  const promise = Promise.resolve(7);
  expect(inSpan('a', {}, () => promise)).toBe(promise);
  await flushSpans();
});

it('says so if an SDK is registered that it cannot use', async () => {
  const key = Symbol.for('opentelemetry.js.api.1');
  const globals = globalThis as Record<symbol, unknown>;
  globals[key] = { version: '1.2.0', trace: {} };
  onTestFinished(() => {
    delete globals[key];
  });
  const explain = vi.fn();
  await openTracing(explain);
  expect(explain).toHaveBeenCalledWith(expect.stringMatching(/^OpenTelemetry 1[.]2[.]0 .* 1[.]9/));
  expect(isTracing()).toBe(false);
});

it('makes spans of work, and of work in that work', async () => {
  const spans = await traced();
  await inSpan('a', { parent: 'none' }, async (span) => {
    span?.set({ 'stele.keyspace': 'geo' });
    await delay(0);
    await inSpan('b', {}, () => delay(0));
    expect(beginSpan('c', { parent: 'none' })?.end()).toBeUndefined();
  });
  expect(paths(spans())).toEqual(['a > b', 'c', 'a']);
  expect(spans()[2]?.attributes).toEqual({ 'stele.keyspace': 'geo' });
});

it('marks work that fails, and passes its error on', async () => {
  const spans = await traced();
  const failing = inSpan('a', {}, () => Promise.reject(new Error('no')));
  await expect(failing).rejects.toThrow('no');
  expect(spans()[0]?.status).toEqual({ code: 2, message: 'no' });
});

it('goes on with the trace of a request, and tells the next process of it', async () => {
  const spans = await traced();
  const span = beginSpan('a', { kind: 'server', parent: header(SAMPLED) });
  const fields = new Map<string, string>();
  span?.inject((name, value) => fields.set(name, value));
  span?.end();
  expect(paths(spans())).toEqual([`(${SPAN_ID}) > a`]);
  const { spanId, traceId } = spans()[0]?.spanContext() ?? {};
  expect(traceId).toBe(TRACE_ID);
  expect(fields.get('traceparent')).toBe(`00-${TRACE_ID}-${spanId}-01`);
});

it('leaves to the caller whether a trace is recorded', async () => {
  const spans = await traced();
  const span = beginSpan('a', { parent: header(UNSAMPLED) });
  const sent = span?.run(() => {
    const call = beginCall('b', {});
    let value = '';
    call?.inject((_, text) => (value = text));
    call?.end();
    return value;
  });
  span?.end();
  expect(sent).toMatch(new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-00$`));
  expect(spans()).toEqual([]);
});

it('takes a malformed header for none', async () => {
  const spans = await traced();
  beginSpan('a', { parent: header('00-x-y-01') })?.end();
  expect(paths(spans())).toEqual(['a']);
});

it('makes a call a part of a span as long as that lasts', async () => {
  const spans = await traced();
  expect(beginCall('alone', {})).toBeUndefined();
  const span = beginSpan('a');
  const later = span?.run(async () => {
    beginCall('b', {})?.end();
    await delay(0);
    return beginCall('c', {});
  });
  span?.end();
  expect(await later).toBeUndefined();
  expect(paths(spans())).toEqual(['a > b', 'a']);
});

it('sends what has ended before the process ends', async () => {
  const flush = vi.spyOn(NodeTracerProvider.prototype, 'forceFlush');
  await traced();
  await flushSpans();
  expect(flush).toHaveBeenCalledTimes(1);
  flush.mockRestore();
  expect(trace.getSpan(context.active())).toBeUndefined();
});
