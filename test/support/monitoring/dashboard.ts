// The queries of deploy/grafana/stele.json, as Grafana would send them.

import { readDoc } from '../../docs/markdown.ts';

interface Panel {
  readonly title?: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string }[];
}

export interface Dashboard {
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly type: string;
      readonly query: string;
    }[];
  };
}

export interface PanelQuery {
  readonly panel: string;
  readonly expr: string;
}

export function readDashboard(): Dashboard {
  return JSON.parse(readDoc('deploy/grafana/stele.json')) as Dashboard;
}

/** The queries of all panels, with every variable at its choice "All". */
export function dashboardQueries({ panels }: Dashboard, rateInterval = '5m'): PanelQuery[] {
  return panels.flatMap(({ targets = [], title = '' }) =>
    targets.map(({ expr }) => ({ panel: title, expr: withAll(expr, rateInterval) })),
  );
}

/** What is drawn into all panels. */
export function annotationQueries({ annotations }: Dashboard): string[] {
  return annotations.list.map(({ expr }) => withAll(expr, '5m'));
}

function withAll(expr: string, rateInterval: string): string {
  const filled = expr
    .replaceAll('$__rate_interval', rateInterval)
    .replaceAll(/\$(?:cluster|keyspace)\b/g, '.*');
  if (filled.includes('$')) throw new Error(`the query has an unknown variable: ${expr}`);
  return filled;
}

/** What the variables of the dashboard are filled from: `label_values(metric, label)`. */
export function variableSources({ templating }: Dashboard): { metric: string; label: string }[] {
  return templating.list
    .filter(({ type }) => type === 'query')
    .map(({ name, query }) => {
      const [, metric = '', label = ''] = /^label_values\((\w+).*, (\w+)\)$/.exec(query) ?? [];
      if (metric === '') throw new Error(`the variable ${name} has an unknown query: ${query}`);
      return { metric, label };
    });
}
