-- Which of several coordinators on this database leads; PostgreSQL only, since SQLite's file has one coordinator.

-- "epoch" is the key for the sake of row locks: a renewal changes no key and never waits for a transaction that holds the row
-- "for key share", while whoever takes over changes it, and waits for that transaction's end.
create table leader (
  epoch bigint primary key,
  only_row boolean not null default true unique check (only_row),
  holder varchar(64) not null,
  address varchar(300) not null,
  expires_at timestamp with time zone not null
);
