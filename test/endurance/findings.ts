import type { Answer } from './request.js';

const SHOWN = 20;

/** What the clients were answered, and all that should not have been. */
export class Findings {
  /** How many nodes are away; what is answered is counted under it. */
  nodesAway = 0;
  longestMs = 0;
  /** Such as `GET 200`. */
  readonly asked: string[] = [];
  private readonly statuses: Map<number, number>[] = [];
  private readonly violations: string[] = [];

  count(nodesAway: number, method: string, { status, ms }: Answer): void {
    const counts = (this.statuses[nodesAway] ??= new Map<number, number>());
    counts.set(status, (counts.get(status) ?? 0) + 1);
    this.longestMs = Math.max(this.longestMs, ms);
    this.asked.push(`${method} ${status}`);
  }

  violation(text: string): void {
    this.violations.push(`${new Date().toISOString()} ${text}`);
  }

  /** One line for each number of nodes that were away, or back for a moment only. */
  answers(): string[] {
    return Array.from(this.statuses, (counts = new Map<number, number>(), away) => {
      const told = [...counts].sort(([a], [b]) => a - b).map(([status, count]) => `${status} × ${count}`);
      return `${away} away or just back: ${told.join(', ')}`;
    });
  }

  wrong(): string[] {
    const more = this.violations.length - SHOWN;
    return [...this.violations.slice(0, SHOWN), ...(more > 0 ? [`and ${more} more`] : [])];
  }
}
