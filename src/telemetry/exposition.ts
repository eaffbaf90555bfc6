/** Writes metrics in the text format of Prometheus (version 0.0.4). */
import { METRICS, type MetricName } from './metric-table.ts';

export interface Sample {
  /** Values in the order of the labels of the metric. */
  readonly labels: readonly string[];
  readonly value: number;
}

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** One counter or gauge with all its series. */
export function family(name: MetricName, samples: readonly Sample[]): string {
  const { labels } = METRICS[name];
  const lines = samples.map((sample) => `${name}${labelSet(labels, sample.labels)} ${sample.value}`);
  return `${head(name)}${lines.join('\n')}\n`;
}

export interface HistogramSample {
  readonly labels: readonly string[];
  /** Observations in each bucket, not cumulated; one more than there are bounds. */
  readonly buckets: readonly number[];
  readonly sum: number;
}

/** One histogram with all its series; `bounds` are the upper ends of its buckets. */
export function histogram(name: MetricName, bounds: readonly number[], samples: readonly HistogramSample[]): string {
  const names: readonly string[] = METRICS[name].labels;
  const lines = samples.flatMap(({ labels, buckets, sum }) => {
    let count = 0;
    const cumulated = buckets.map((each, index) => {
      count += each;
      const le = bounds[index] ?? '+Inf';
      return `${name}_bucket${labelSet([...names, 'le'], [...labels, String(le)])} ${count}`;
    });
    const set = labelSet(names, labels);
    return [...cumulated, `${name}_sum${set} ${sum}`, `${name}_count${set} ${count}`];
  });
  return `${head(name)}${lines.join('\n')}\n`;
}

function head(name: MetricName): string {
  const { type, help } = METRICS[name];
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', ' ')}\n# TYPE ${name} ${type}\n`;
}

function labelSet(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return '';
  return `{${names.map((name, index) => `${name}="${escaped(values[index] ?? '')}"`).join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
