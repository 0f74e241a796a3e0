// A small chart of the last minutes: its last value in words, and lines below.

import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { isDark } from '../state/theme.ts';

interface Line {
  readonly label: string;
  readonly values: readonly (number | null)[];
}

interface ChartProps {
  readonly title: string;
  /** The last values, in words. */
  readonly now: string;
  /** Seconds since 1970, one for each value. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  /** A value of the axis, in words. */
  readonly format: (value: number) => string;
  /** The axis has powers of 2, for bytes. */
  readonly isBinary?: boolean;
  /** Drawn as a line across; the axis then reaches it. */
  readonly limit?: number | null;
}

const HEIGHT = 110;
const AXIS_WIDTH = 58;
const SPAN_SECONDS_MIN = 60;
const POWERS_OF_2 = Array.from({ length: 50 }, (_, power) => 2 ** power);

/** The chart shows what `lines` have; screen readers hear `title` and `now`. */
export function Chart(props: ChartProps) {
  const { now, title } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const dark = isDark.value;
  const lineCount = props.lines.length;
  useEffect(() => {
    const host = box.current;
    if (host === null) return undefined;
    const made = new uPlot(optionsOf(props, host), dataOf(props), host);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: widthOf(host), height: HEIGHT }));
    watch.observe(host);
    return () => {
      watch.disconnect();
      made.destroy();
    };
    // Made again for other colours; new data go into the one that is there.
  }, [dark, lineCount]);
  useEffect(() => plot.current?.setData(dataOf(props)), [props.times]);
  return (
    <section class="tile" aria-label={title}>
      <h3>{title}</h3>
      <p class="now">{now}</p>
      <div
        ref={box}
        class="plot"
        role="img"
        aria-label={`${title}, the last minutes; now ${now}`}
      />
    </section>
  );
}

function widthOf(host: HTMLElement): number {
  return Math.max(120, host.clientWidth);
}

function dataOf({ limit, lines, times }: ChartProps): uPlot.AlignedData {
  const limits = typeof limit === 'number' ? [times.map(() => limit)] : [];
  return [[...times], ...lines.map(({ values }) => [...values]), ...limits] as uPlot.AlignedData;
}

function optionsOf(props: ChartProps, host: HTMLElement): uPlot.Options {
  const style = getComputedStyle(host);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const grid = { stroke: colour('--line'), width: 1 };
  const axis = { stroke: colour('--quiet'), grid, ticks: { show: false }, font: '11px system-ui' };
  const points = { show: false };
  const limit = { label: 'limit', stroke: colour('--bad'), dash: [4, 4], width: 1, points };
  return {
    width: widthOf(host),
    height: HEIGHT,
    cursor: { show: false },
    legend: { show: false },
    select: { show: false, left: 0, top: 0, width: 0, height: 0 },
    scales: {
      x: { range: (_, min, max) => [Math.min(min, max - SPAN_SECONDS_MIN), max] },
      y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] },
    },
    axes: [
      { ...axis, size: 22, space: 70 },
      {
        ...axis,
        size: AXIS_WIDTH,
        space: 26,
        ...(props.isBinary === true ? { incrs: POWERS_OF_2 } : {}),
        values: (_, splits) => splits.map((value) => props.format(value)),
      },
    ],
    series: [
      {},
      ...props.lines.map(({ label }, at) => ({
        label,
        stroke: colour(`--series-${at + 1}`),
        width: 1.5,
        points,
      })),
      ...(props.limit === undefined ? [] : [limit]),
    ],
  };
}
