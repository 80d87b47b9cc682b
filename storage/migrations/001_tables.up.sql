-- The first schema. Every statement bears repetition: DDL is not transactional, so a step that was
-- interrupted is done again from its beginning.
--
-- Rights: this file needs a user who may create tables. The nodes connect as one with
--   GRANT SELECT, INSERT, UPDATE ON <database>.* TO '<user>'@'localhost';
-- and no more: they never delete and never change the schema.

-- Which log this database belongs to: no row until a log has adopted it, then one.
CREATE TABLE IF NOT EXISTS meta (
  log_uuid   BINARY(16)  NOT NULL PRIMARY KEY,
  created_at DATETIME(6) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The defaults let an amount create the row of an item whose ItemPut is still on its way.
CREATE TABLE IF NOT EXISTS item (
  id             BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  name           VARCHAR(500)    NOT NULL DEFAULT '',
  price_cents    BIGINT          NOT NULL DEFAULT 0,
  total          BIGINT          NOT NULL DEFAULT 0,
  amount         BIGINT          NOT NULL DEFAULT 0 CHECK (amount >= 0),
  limit_per_user INT             NOT NULL DEFAULT 0,
  max_qty        INT             NOT NULL DEFAULT 5,
  put_lsn        BIGINT UNSIGNED NOT NULL DEFAULT 0,
  lsn            BIGINT UNSIGNED NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- decided_at is UTC and comes from the log, never from this server's clock.
CREATE TABLE IF NOT EXISTS orders (
  order_id         BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  request_id       VARBINARY(64)   NOT NULL UNIQUE,
  item_id          BIGINT UNSIGNED NOT NULL,
  user_id          VARBINARY(64)   NOT NULL,
  qty              INT             NOT NULL,
  unit_price_cents BIGINT          NOT NULL,
  decided_at       DATETIME(6)     NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- One row for each writer; the epoch fences off an older one. applied_lsn is a witness only.
CREATE TABLE IF NOT EXISTS lane (
  lane        SMALLINT        NOT NULL PRIMARY KEY,
  epoch       BIGINT UNSIGNED NOT NULL,
  applied_lsn BIGINT UNSIGNED NOT NULL,
  batches     BIGINT UNSIGNED NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
