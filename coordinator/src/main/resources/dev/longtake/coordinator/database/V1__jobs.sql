-- Jobs, what happened to them, and how their state changed. Times are milliseconds since 1970; ${bytes} is the database's type for bytes.

-- "record" is a StoredJob (stored_job.proto), which has all of the job; the other columns are there to be asked for.
create table jobs (
  id varchar(32) primary key,
  state varchar(32) not null,
  tenant varchar(64) not null,
  submitted_at bigint not null,
  attempt bigint not null,
  record ${bytes} not null
);

-- JobEvent (generation.proto), as watchers get them.
create table job_events (
  job_id varchar(32) not null references jobs (id) on delete cascade,
  sequence bigint not null,
  event ${bytes} not null,
  primary key (job_id, sequence)
);

create table job_transitions (
  job_id varchar(32) not null references jobs (id) on delete cascade,
  number bigint not null,
  happened_at bigint not null,
  state varchar(32) not null,
  attempt bigint not null,
  reason varchar(4000) not null,
  primary key (job_id, number)
);
