-- Which start of which backend owns a lane, beside its epoch: what two copies of a log do not share.
-- owner: a number of the start that minted the epoch, 0: nobody; a program before this one writes
-- none. place: when the log directory was made, in nanoseconds since 1970, 0: not known.
--
-- ADD COLUMN does not bear repetition, so it is left out where the columns are there.
SET @step = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
  AND table_name = 'lane' AND column_name = 'owner') = 0,
  'ALTER TABLE lane ADD COLUMN owner BIGINT UNSIGNED NOT NULL DEFAULT 0, ADD COLUMN place BIGINT NOT NULL DEFAULT 0',
  'DO 0');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
