-- Takes back 002_lane_owner.up.sql, for the program before it: `stampede migrate down --to 1`, with
-- the nodes stopped. Nothing is lost: the next claim after a step forward writes the owner anew.
DELETE FROM schema_version WHERE version = 2;
SET @step = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'lane' AND column_name = 'owner') = 1,
  'ALTER TABLE lane DROP COLUMN owner, DROP COLUMN place',
  'DO 0');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
