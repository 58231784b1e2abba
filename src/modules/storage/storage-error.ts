/** `delete_pending` is of deletes alone: not done everywhere yet, and repeated until it is. */
export type StorageErrorKind = 'unavailable' | 'timeout' | 'too_large' | 'delete_pending';

/**
 * The storage did not do what it was asked, through no fault of this process. Never means "absent": absence is a
 * value. The reason is for logs and clients, so it holds no session key; a cause may, and is shown only where no
 * session was asked for.
 */
export class StorageError extends Error {
  constructor(
    readonly kind: StorageErrorKind,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(reason, options);
  }
}
