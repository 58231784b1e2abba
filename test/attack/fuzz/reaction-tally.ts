import { table } from '../../../bench/report/table.js';
import type { Attempt } from './attempt.js';
import type { Reaction } from './reaction.js';

/** How often which kind was answered what. */
export class ReactionTally {
  sent = 0;
  private readonly kinds = new Map<string, Map<string, number>>();

  count({ kind, shape, layer }: Attempt, { statuses, end }: Reaction): void {
    this.sent++;
    for (const row of [kind, `${shape}, ${layer}`, 'all']) {
      this.add(row, 'sent');
      if (statuses.length === 0) this.add(row, end);
      for (const status of statuses) this.add(row, String(status));
    }
  }

  /** By kind and by the way that they took. */
  table(): string {
    const results = new Set([...this.kinds.values()].flatMap((counts) => [...counts.keys()]));
    results.delete('sent');
    const columns = ['sent', ...[...results].sort()];
    const rows = [...this.kinds].sort(([a], [b]) => (a < b ? -1 : 1));
    const cells = rows.map(([row, counts]) => [
      row,
      ...columns.map((column) => String(counts.get(column) ?? 0)),
    ]);
    return table(['Requests', ...columns], cells);
  }

  private add(row: string, result: string): void {
    const counts = this.kinds.get(row) ?? new Map<string, number>();
    this.kinds.set(row, counts);
    counts.set(result, (counts.get(result) ?? 0) + 1);
  }
}
