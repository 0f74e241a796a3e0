// Spans of OpenTelemetry, through its API package: the one file that knows it.
//
// Tracing is on if an SDK has registered itself in this process before `openTracing`, usually by a
// file that `node --import` loads (docs/tracing.md). Otherwise nothing is loaded, `beginSpan`
// returns undefined, and every caller goes the way without spans.

import type { Context, Span, TextMapGetter } from '@opentelemetry/api';
import { STELE_VERSION } from './build-version.ts';

type Api = typeof import('@opentelemetry/api');

/** Where the API package registers an SDK, whichever copy of the package that has. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1');
const FLUSH_MS = 3000;

let api: Api | undefined;

export type SpanAttributes = Readonly<Record<string, string | number | boolean | string[]>>;

/** A header or metadata field of a request, by its lower-case name. */
export type FieldReader = (name: string) => string | undefined;

interface SpanOptions {
  /** `server`: answers a request of another process; `client`: waits for another process. */
  readonly kind?: 'server' | 'client' | 'internal';
  readonly attributes?: SpanAttributes;
  /**
   * What it is a part of. `active`, the default: the span in whose `run` this happens. `none`:
   * nothing. Or a request whose fields say so; without them, nothing.
   */
  readonly parent?: 'active' | 'none' | FieldReader;
}

/**
 * Switches tracing on for this process if an SDK is registered. `explain` is given a sentence if it
 * cannot be used.
 */
export async function openTracing(explain: (sentence: string) => void): Promise<void> {
  const registered = (globalThis as Readonly<Record<symbol, unknown>>)[REGISTERED] as
    { readonly trace?: unknown; readonly version?: string } | undefined;
  if (api !== undefined || registered?.trace === undefined) return;
  const loaded = await import('@opentelemetry/api');
  const probe = loaded.trace.getTracer('stele').startSpan('probe', {}, loaded.ROOT_CONTEXT);
  if (loaded.isSpanContextValid(probe.spanContext())) {
    api = loaded;
    return;
  }
  explain(
    `OpenTelemetry ${registered.version ?? ''} is registered in this process and makes no spans here: Stele needs version 1.9 or later of @opentelemetry/api, and an SDK with a tracer.`,
  );
}

/** For tests. */
export function closeTracing(): void {
  api = undefined;
}

export function isTracing(): boolean {
  return api !== undefined;
}

/** Sends the spans that have ended, within 3 s. To be awaited before the process ends. */
export async function flushSpans(): Promise<void> {
  if (api === undefined) return;
  const proxy = api.trace.getTracerProvider() as { getDelegate?: () => object };
  const provider = (proxy.getDelegate?.() ?? proxy) as { forceFlush?: () => Promise<void> };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, FLUSH_MS);
  });
  await Promise.race([provider.forceFlush?.().catch(() => undefined), late]);
  clearTimeout(timer);
}

/** A piece of work that has begun. `end` must be called once. */
export class TraceSpan {
  readonly #api: Api;
  readonly #span: Span;
  readonly #context: Context;

  constructor(of: Api, span: Span, parent: Context) {
    this.#api = of;
    this.#span = span;
    this.#context = of.trace.setSpan(parent, span);
  }

  set(attributes: SpanAttributes): void {
    this.#span.setAttributes(attributes);
  }

  /** Marks the work as failed. */
  fail(reason: string): void {
    this.#span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message: reason });
  }

  end(): void {
    this.#span.end();
  }

  /** Runs `work`; spans that begin in it, or later in what it awaits, are parts of this one. */
  run<Result>(work: () => Result): Result {
    return this.#api.context.with(this.#context, work);
  }

  /**
   * Has `set` called with the fields that tell another process of this span (`traceparent` ...).
   */
  inject(set: (name: string, value: string) => void): void {
    inject(this.#api, this.#context, set);
  }
}

/** Undefined if tracing is off. */
export function beginSpan(name: string, options: SpanOptions = {}): TraceSpan | undefined {
  return api === undefined ? undefined : begin(api, name, options);
}

/**
 * Runs `work` as a span, which ends when the promise settles and has failed if it rejects. `work`
 * gets undefined if tracing is off.
 */
export function inSpan<Result>(
  name: string,
  options: SpanOptions,
  work: (span: TraceSpan | undefined) => Promise<Result>,
): Promise<Result> {
  const span = beginSpan(name, options);
  return span === undefined ? work(undefined) : runIn(span, work);
}

async function runIn<Result>(
  span: TraceSpan,
  work: (span: TraceSpan) => Promise<Result>,
): Promise<Result> {
  try {
    return await span.run(() => work(span));
  } catch (thrown) {
    span.fail(thrown instanceof Error ? thrown.message : String(thrown));
    throw thrown;
  } finally {
    span.end();
  }
}

/**
 * As `beginSpan`, for a call to another process: a part of the active span, or undefined if there
 * is none. What outlives a span, such as a timer that was set in it, is not a part of it.
 */
export function beginCall(name: string, attributes: SpanAttributes): TraceSpan | undefined {
  const active = api?.trace.getActiveSpan();
  if (api === undefined || active === undefined) return undefined;
  const isSampled = (active.spanContext().traceFlags & api.TraceFlags.SAMPLED) !== 0;
  if (isSampled && !active.isRecording()) return undefined;
  return begin(api, name, { kind: 'client', attributes });
}

function begin(of: Api, name: string, options: SpanOptions): TraceSpan {
  const { attributes = {}, kind = 'internal', parent = 'active' } = options;
  const kinds = {
    server: of.SpanKind.SERVER,
    client: of.SpanKind.CLIENT,
    internal: of.SpanKind.INTERNAL,
  };
  const within = contextOf(of, parent);
  const tracer = of.trace.getTracer('stele', STELE_VERSION);
  return new TraceSpan(
    of,
    tracer.startSpan(name, { kind: kinds[kind], attributes }, within),
    within,
  );
}

function contextOf(of: Api, parent: 'active' | 'none' | FieldReader): Context {
  if (parent === 'active') return of.context.active();
  if (parent === 'none') return of.ROOT_CONTEXT;
  return of.propagation.extract(of.ROOT_CONTEXT, parent, FIELDS);
}

const FIELDS: TextMapGetter<FieldReader> = {
  get: (field, name) => field(name),
  keys: () => ['traceparent', 'tracestate', 'baggage'],
};

function inject(of: Api, from: Context, set: (name: string, value: string) => void): void {
  of.propagation.inject(from, set, { set: (carrier, name, value) => carrier(name, value) });
}
