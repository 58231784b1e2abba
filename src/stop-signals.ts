const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * What the process was told: to stop, and then to hurry. Without a handler a signal would cut what is in flight, or,
 * to process 1 of a container, be lost.
 */
export class StopSignals {
  readonly first: Promise<NodeJS.Signals>;
  readonly second: Promise<NodeJS.Signals>;

  constructor() {
    const heard: ((signal: NodeJS.Signals) => void)[] = [];
    this.first = new Promise((resolve) => heard.push(resolve));
    this.second = new Promise((resolve) => heard.push(resolve));
    for (const each of STOP_SIGNALS) process.on(each, () => heard.shift()?.(each));
  }
}
