-- A message that tells an owner of somebody who asks to be let in has what the code is bound to in `asks`, until that is
-- decided; then a part with its number in `amends` has it say what was decided.
ALTER TABLE outbox ADD COLUMN asks TEXT;
ALTER TABLE outbox ADD COLUMN amends INTEGER;

CREATE INDEX outbox_asks ON outbox (asks) WHERE asks IS NOT NULL;
