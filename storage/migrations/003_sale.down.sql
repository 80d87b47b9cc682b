-- Takes back 003_sale.up.sql, for the program before it: `stampede migrate down --to 2`, with the
-- nodes stopped. The version goes first: what is left of an interrupted step back is taken away by
-- the next one, or completed by a step forward.
--
-- Each of the first queries counts, by table, what the program before cannot keep:
-- lost: SELECT COUNT(*), 'promo' FROM promo
-- lost: SELECT COUNT(*), CONCAT('orders (', REPLACE(fulfilment, '_', ' '), ')') FROM orders
--   WHERE fulfilment <> 'none' GROUP BY fulfilment ORDER BY fulfilment
-- lost: SELECT COUNT(*), 'orders (through a promo)' FROM orders WHERE promo_id IS NOT NULL
-- lost: SELECT COUNT(*), 'stock_change' FROM stock_change
-- lost: SELECT COUNT(*), 'account' FROM account
-- lost: SELECT COUNT(*), 'item (with terms of the sale)' FROM item
--   WHERE description <> '' OR image_url <> '' OR hold_s <> 0 OR hold_low_s <> 0
--   OR low_stock_percent <> 0 OR unpaid_per_user_max <> 0 OR sale <> 'always' OR NOT open
DELETE FROM schema_version WHERE version = 3;
DROP VIEW IF EXISTS stock_journal;
DROP TABLE IF EXISTS account;
DROP TABLE IF EXISTS stock_change;
DROP TABLE IF EXISTS promo;
SET @step = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'orders' AND column_name = 'total_cents') = 1,
  'ALTER TABLE orders DROP COLUMN total_cents',
  'DO 0');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
SET @step = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'orders' AND column_name = 'lsn') = 1,
  'ALTER TABLE orders DROP COLUMN promo_id, DROP COLUMN fulfilment, DROP COLUMN pay_by,
     DROP COLUMN payment_id, DROP COLUMN fulfilled_at, DROP COLUMN lsn',
  'DO 0');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
SET @step = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'item' AND column_name = 'sold') = 1,
  'ALTER TABLE item DROP COLUMN sold',
  'DO 0');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
SET @step = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'item' AND column_name = 'open') = 1,
  'ALTER TABLE item DROP COLUMN description, DROP COLUMN image_url, DROP COLUMN hold_s,
     DROP COLUMN hold_low_s, DROP COLUMN low_stock_percent, DROP COLUMN unpaid_per_user_max,
     DROP COLUMN sale, DROP COLUMN open',
  'DO 0');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
