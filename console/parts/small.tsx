// Small parts that several pages show.

import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ago, timestamp } from '../format/times.ts';

/** A page's heading. It takes the focus when the page is opened, so that screen readers read it. */
export function PageTitle({
  text,
  more,
}: {
  readonly text: string;
  readonly more?: ComponentChildren;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  // Before anything can be focused by hand.
  useLayoutEffect(() => {
    document.title = `${text} - Stele`;
    heading.current?.focus({ preventScroll: true });
  }, [text]);
  return (
    <div class="page-title">
      <h1 ref={heading} tabIndex={-1}>
        {text}
      </h1>
      {more}
    </div>
  );
}

/** A table that scrolls by itself where the window is narrow, also by keyboard. */
export function Scroll({
  label,
  children,
}: {
  readonly label: string;
  readonly children: ComponentChildren;
}) {
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls
    <div class="scroll" role="region" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}

const LEVELS: Readonly<Record<string, string>> = {
  green: 'good',
  yellow: 'warn',
  red: 'bad',
  SERVING: 'good',
  RUNNING: 'good',
  COMMITTED: 'good',
  INITIALIZING: 'warn',
  DRAINING: 'warn',
  DRAINED: 'calm',
  SUSPECT: 'warn',
  REPAIRING: 'warn',
  DOWN: 'bad',
  REJECTED: 'bad',
  FAILED: 'bad',
  ABANDONED: 'bad',
  INTERRUPTED: 'warn',
};

/** A state as a word with a colour. */
export function State({ word }: { readonly word: string }) {
  return <span class={`state ${LEVELS[word] ?? 'calm'}`}>{word.toLowerCase()}</span>;
}

/** How long ago something was; the exact time is its title. */
export function Time({ at }: { readonly at: string | null }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 10_000);
    return () => clearInterval(timer);
  }, []);
  if (at === null || at === '') return <span>–</span>;
  return (
    <time dateTime={at} title={timestamp(at)}>
      {ago(at, Math.max(now, Date.now()))}
    </time>
  );
}

/** A share of a limit, as a bar. */
export function Meter({
  label,
  value,
  limit,
  text,
}: {
  readonly label: string;
  readonly value: number | null;
  readonly limit: number | null;
  readonly text: string;
}) {
  if (value === null || limit === null || limit <= 0) return <span>{text}</span>;
  const share = Math.min(1, value / limit);
  const level = share > 0.9 ? 'bad' : share > 0.75 ? 'warn' : 'good';
  return (
    <span class="meter">
      <span
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(100 * share)}
        aria-valuetext={text}
        class={`track ${level}`}
      >
        <svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
          <rect width={100 * share} height="1" />
        </svg>
      </span>
      <span>{text}</span>
    </span>
  );
}

/** What stands in place of a list that is empty, or not there yet. */
export function Nothing({ isKnown, text }: { readonly isKnown: boolean; readonly text: string }) {
  return <p class="nothing">{isKnown ? text : 'Loading ...'}</p>;
}

/** Why something was refused; nothing if it was not. Screen readers hear it at once. */
export function Refusal({ text }: { readonly text: string | undefined }) {
  if (text === undefined || text === '') return null;
  return (
    <p class="refusal" role="alert">
      {text}
    </p>
  );
}
