-- Takes back 002_lane_owner.up.sql, for the program before it. By hand, with the nodes stopped.
ALTER TABLE lane DROP COLUMN owner, DROP COLUMN place;
DELETE FROM schema_version WHERE version = 2;
