-- The rules of the sale: promos, tickets, payment, stock that comes back. An order costs no further
-- row: stock_journal reads the sales from the orders themselves. What the defaults say is what a row
-- of a program before this one means: sold always, open, no promo, no payment.
--
-- Rights: see 001_tables.up.sql; the user of a migration may create a view, too. The nodes need no
-- more than they had.
--
-- DDL is not transactional, so a step that was interrupted is done again from its beginning: what
-- does not bear repetition is left out where its last column is there. Computed columns are added
-- apart: both ways are instant then, however many orders there are, and together they are not.

SET @step = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'item' AND column_name = 'open') = 0,
  'ALTER TABLE item
     ADD COLUMN description         VARCHAR(4000) NOT NULL DEFAULT '''',
     ADD COLUMN image_url           VARCHAR(500)  NOT NULL DEFAULT '''',
     ADD COLUMN hold_s              INT           NOT NULL DEFAULT 0,
     ADD COLUMN hold_low_s          INT           NOT NULL DEFAULT 0,
     ADD COLUMN low_stock_percent   INT           NOT NULL DEFAULT 0,
     ADD COLUMN unpaid_per_user_max INT           NOT NULL DEFAULT 0,
     ADD COLUMN sale                ENUM(''always'', ''promo_only'') NOT NULL DEFAULT ''always'',
     ADD COLUMN open                BOOL          NOT NULL DEFAULT TRUE',
  'DO 0');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
SET @step = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'item' AND column_name = 'sold') = 0,
  'ALTER TABLE item ADD COLUMN sold BIGINT AS (total - amount) VIRTUAL',
  'DO 0');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;

-- lsn: of the command that set the fulfilment last, 0: none has. The hold's end is part of the
-- order; payment_id is that of the payment.
SET @step = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'orders' AND column_name = 'lsn') = 0,
  'ALTER TABLE orders
     ADD COLUMN promo_id     BIGINT UNSIGNED NULL,
     ADD COLUMN fulfilment   ENUM(''none'', ''unpaid'', ''paid'', ''expired'', ''cancelled'', ''refund_due'')
                             NOT NULL DEFAULT ''none'',
     ADD COLUMN pay_by       DATETIME(3)     NULL,
     ADD COLUMN payment_id   VARBINARY(64)   NULL,
     ADD COLUMN fulfilled_at DATETIME(6)     NULL,
     ADD COLUMN lsn          BIGINT UNSIGNED NOT NULL DEFAULT 0',
  'DO 0');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
-- NULL where it is no BIGINT: a server computes it whenever such a row is written again, and must
-- not refuse the order for it.
SET @step = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'orders' AND column_name = 'total_cents') = 0,
  'ALTER TABLE orders ADD COLUMN total_cents BIGINT AS (IF(unit_price_cents BETWEEN
       -(9223372036854775807 DIV GREATEST(ABS(qty), 1)) AND 9223372036854775807 DIV GREATEST(ABS(qty), 1),
     qty * unit_price_cents, NULL)) VIRTUAL',
  'DO 0');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;

-- The defaults let what was granted create the row of a promo whose PromoPut is still on its way.
-- put_lsn guards what was said of it, lsn what was granted.
CREATE TABLE IF NOT EXISTS promo (
  id                  BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  item_id             BIGINT UNSIGNED NOT NULL DEFAULT 0,
  name                VARCHAR(500)    NOT NULL DEFAULT '',
  price_cents         BIGINT          NOT NULL DEFAULT 0,
  starts_at           DATETIME(3)     NOT NULL DEFAULT '1970-01-01 00:00:00.000',
  ends_at             DATETIME(3)     NOT NULL DEFAULT '1970-01-01 00:00:00.000',
  limit_per_user      INT             NOT NULL DEFAULT 0,
  ticket              ENUM('none', 'required') NOT NULL DEFAULT 'none',
  gate_factor         INT             NOT NULL DEFAULT 0,
  granted             BIGINT          NOT NULL DEFAULT 0,
  hold_s              INT             NOT NULL DEFAULT 0,
  hold_low_s          INT             NOT NULL DEFAULT 0,
  low_stock_percent   INT             NOT NULL DEFAULT 0,
  unpaid_per_user_max INT             NOT NULL DEFAULT 0,
  put_lsn             BIGINT UNSIGNED NOT NULL DEFAULT 0,
  lsn                 BIGINT UNSIGNED NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Whatever changes an item's units beside its orders. Times are UTC and come from the log.
CREATE TABLE IF NOT EXISTS stock_change (
  lsn      BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  item_id  BIGINT UNSIGNED NOT NULL,
  delta    BIGINT          NOT NULL,
  reason   ENUM('add', 'expired', 'cancelled', 'late_payment') NOT NULL,
  order_id BIGINT UNSIGNED NULL,
  at       DATETIME(6)     NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Who may log in. No lane writes it and no log restores it.
CREATE TABLE IF NOT EXISTS account (
  user_id    VARBINARY(64)  NOT NULL PRIMARY KEY,
  phone      VARBINARY(32)  NULL UNIQUE,
  password   VARBINARY(160) NULL,
  name       VARCHAR(500)   NOT NULL DEFAULT '',
  created_at DATETIME(6)    NOT NULL,
  locked     BOOL           NOT NULL DEFAULT FALSE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- An item's total and the sum of its deltas are its amount, at each commit of a drained system.
-- What was added is part of the total already.
SET @step = IF((SELECT COUNT(*) FROM information_schema.views WHERE table_schema = DATABASE()
    AND table_name = 'stock_journal') = 0,
  'CREATE SQL SECURITY INVOKER VIEW stock_journal AS
     SELECT order_id AS lsn, item_id, -CAST(qty AS SIGNED) AS delta, ''order'' AS reason, order_id,
            decided_at AS at
     FROM orders
     UNION ALL
     SELECT lsn, item_id, delta, reason, order_id, at FROM stock_change WHERE reason <> ''add''',
  'DO 0');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
