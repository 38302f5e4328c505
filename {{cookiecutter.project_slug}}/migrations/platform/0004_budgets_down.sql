DROP FUNCTION give_up(uuid);
DROP FUNCTION settle(reservations, numeric);
DROP FUNCTION reserve(reservations, jsonb);
DROP FUNCTION draw(reservations, numeric, numeric);
DROP FUNCTION budgets_of(reservations);
DROP TABLE reservations, budgets;
