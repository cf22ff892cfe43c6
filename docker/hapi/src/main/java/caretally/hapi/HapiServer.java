package caretally.hapi;

import ca.uhn.fhir.batch2.api.IJobMaintenanceService;
import ca.uhn.fhir.batch2.jobs.bulkmodify.reindex.ReindexProvider;
import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.batch2.jobs.export.BulkDataExportProvider;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings.ClientIdStrategyEnum;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings.IdStrategyEnum;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.binary.api.IBinaryStorageSvc;
import ca.uhn.fhir.jpa.binstore.DatabaseBinaryContentStorageSvcImpl;
import ca.uhn.fhir.jpa.config.HapiJpaConfig;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.interceptor.UserRequestRetryVersionConflictsInterceptor;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.provider.DiffProvider;
import ca.uhn.fhir.jpa.provider.IJpaSystemProvider;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.provider.SubscriptionTriggeringProvider;
import ca.uhn.fhir.jpa.provider.TerminologyUploaderProvider;
import ca.uhn.fhir.jpa.provider.ValueSetOperationProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.narrative2.NullNarrativeGenerator;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.server.IncomingRequestAddressStrategy;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.interceptor.RequestValidatingInterceptor;
import ca.uhn.fhir.rest.server.interceptor.SearchPreferHandlingInterceptor;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import ca.uhn.fhir.validation.IInstanceValidatorModule;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import jakarta.persistence.EntityManagerFactory;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpServletResponseWrapper;
import org.apache.commons.dbcp2.BasicDataSource;
import org.eclipse.jetty.ee10.servlet.FilterHolder;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;

import javax.sql.DataSource;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * A HAPI FHIR R4 JPA server in an embedded Jetty, for trials and tests on loopback. Every option is
 * a system property "caretally.NAME"; docker/hapi/README.md lists names and defaults.
 */
public final class HapiServer {

    static String opt(String name, String fallback) {
        String value = System.getProperty("caretally." + name);
        return value == null || value.isEmpty() ? fallback : value;
    }

    static boolean flag(String name, boolean fallback) {
        return Boolean.parseBoolean(opt(name, String.valueOf(fallback)));
    }

    static int number(String name, int fallback) {
        return Integer.parseInt(opt(name, String.valueOf(fallback)));
    }

    private HapiServer() {}

    public static void main(String[] args) throws Exception {
        try {
            serve();
        } catch (Exception e) {
            // Threads that Spring or Jetty started already would keep a failed server alive for ever.
            e.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    private static void serve() throws Exception {
        stopWithOwner(Long.getLong("caretally.owner.pid", 0L));
        int port = number("port", 0); // 0: the system picks a free one, and READY tells which
        AnnotationConfigApplicationContext spring = new AnnotationConfigApplicationContext(Config.class);
        long springMs = uptime();

        Server jetty = new Server(new QueuedThreadPool(number("jetty.threads", 32), 8));
        HttpConfiguration http = new HttpConfiguration();
        http.setUriCompliance(UriCompliance.LEGACY); // '|' and '$' arrive unescaped from some clients
        http.setRequestHeaderSize(65536);
        http.setSendServerVersion(false);
        ServerConnector connector = new ServerConnector(jetty, new HttpConnectionFactory(http));
        connector.setHost("127.0.0.1");
        connector.setPort(port);
        jetty.addConnector(connector);
        ServletContextHandler web = new ServletContextHandler("/");
        web.addServlet(new ServletHolder("fhir", spring.getBean(RestfulServer.class)), "/fhir/*");
        int retryAfter = number("export.retry.after", 1);
        if (retryAfter > 0) {
            // HAPI asks for two minutes also where a job ends in a second, and an honest client waits for them.
            web.addFilter(new FilterHolder((request, response, chain) ->
                    chain.doFilter(request, new HttpServletResponseWrapper((HttpServletResponse) response) {
                        @Override
                        public void setHeader(String name, String value) {
                            super.setHeader(name, "Retry-After".equalsIgnoreCase(name) ? String.valueOf(retryAfter) : value);
                        }

                        @Override
                        public void addHeader(String name, String value) {
                            super.addHeader(name, "Retry-After".equalsIgnoreCase(name) ? String.valueOf(retryAfter) : value);
                        }
                    })), "/fhir/*", EnumSet.of(DispatcherType.REQUEST));
        }
        jetty.setHandler(web);

        ScheduledExecutorService nudge = Executors.newSingleThreadScheduledExecutor(r -> {
            Thread t = new Thread(r, "batch-nudge");
            t.setDaemon(true);
            return t;
        });
        int nudgeMs = number("batch.nudge.ms", 500);
        if (nudgeMs > 0) {
            // Batch jobs ($export) move one step per maintenance pass, which runs once a minute by default.
            IJobMaintenanceService maintenance = spring.getBean(IJobMaintenanceService.class);
            nudge.scheduleWithFixedDelay(() -> {
                try {
                    maintenance.runMaintenancePass();
                } catch (RuntimeException e) {
                    System.err.println("batch nudge: " + e);
                }
            }, 2000, nudgeMs, TimeUnit.MILLISECONDS);
        }

        jetty.start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                nudge.shutdownNow();
                jetty.stop();
                spring.close();
            } catch (Exception e) {
                System.err.println("stop: " + e);
            }
        }));
        System.out.printf("READY http://127.0.0.1:%d/fhir spring_ms=%d total_ms=%d pid=%d%n",
                connector.getLocalPort(), springMs, uptime(), ProcessHandle.current().pid());
        if (flag("warm", true)) {
            // The first $validate loads the whole R4 definition set; pay for it before a test does.
            Thread warm = new Thread(() -> {
                try {
                    FhirContext fhir = spring.getBean(FhirContext.class);
                    fhir.newValidator()
                            .registerValidatorModule(spring.getBean(IInstanceValidatorModule.class))
                            .validateWithResult("{\"resourceType\":\"Patient\",\"gender\":\"female\"}");
                    System.out.printf("WARM total_ms=%d%n", uptime());
                } catch (RuntimeException e) {
                    System.err.println("warm: " + e);
                }
            }, "warm");
            warm.setDaemon(true);
            warm.start();
        }
        jetty.join();
    }

    /** Ends this server when the process that asked for it is gone, however that one died. */
    static void stopWithOwner(long pid) {
        if (pid <= 0) {
            return;
        }
        Thread watch = new Thread(() -> {
            try {
                while (ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false)) {
                    Thread.sleep(1000);
                }
            } catch (InterruptedException e) {
                return;
            }
            System.out.println("OWNER GONE " + pid);
            System.exit(3);
        }, "owner-watch");
        watch.setDaemon(true);
        watch.start();
    }

    /** A secret comes from a file: system properties are visible to every user of the machine. */
    static String secret(String name) throws IOException {
        String file = opt(name + ".file", "");
        return file.isEmpty() ? "" : Files.readString(Path.of(file)).strip();
    }

    static long uptime() {
        return ManagementFactory.getRuntimeMXBean().getUptime();
    }

    @Configuration
    @Import({
        JpaR4Config.class,
        HapiJpaConfig.class,
        ThreadPoolFactoryConfig.class,
        SubscriptionSubmitterConfig.class,
        SubscriptionProcessorConfig.class,
        SubscriptionChannelConfig.class,
        JpaBatch2Config.class,
        Batch2JobsConfig.class
    })
    static class Config {

        static boolean postgres() {
            return opt("db.url", "").startsWith("jdbc:postgresql:");
        }

        @Bean(destroyMethod = "close")
        DataSource dataSource() throws IOException {
            BasicDataSource pool = new BasicDataSource();
            pool.setUrl(opt("db.url", "jdbc:h2:mem:fhir;DB_CLOSE_DELAY=-1"));
            pool.setUsername(opt("db.user", "sa"));
            pool.setPassword(secret("db.password"));
            pool.setMaxTotal(number("db.pool", 20));
            pool.setMaxIdle(number("db.pool", 20));
            return pool;
        }

        @Bean
        JpaStorageSettings storageSettings() {
            JpaStorageSettings s = new JpaStorageSettings();
            s.setAllowMultipleDelete(true);
            s.setDeleteExpungeEnabled(true);
            s.setExpungeEnabled(true);
            s.setAllowExternalReferences(flag("external.refs", false));
            s.setAutoCreatePlaceholderReferenceTargets(flag("placeholders", false));
            s.setEnforceReferentialIntegrityOnWrite(flag("integrity", true));
            s.setResourceClientIdStrategy(ClientIdStrategyEnum.valueOf(opt("client.ids", "ANY")));
            s.setResourceServerIdStrategy(IdStrategyEnum.valueOf(opt("server.ids", "UUID")));
            // HAPI's own default, a minute, lets the same search answer from the past.
            int reuse = number("search.reuse.ms", 0);
            s.setReuseCachedSearchResultsForMillis(reuse > 0 ? Long.valueOf(reuse) : null);
            s.setHibernateSearchIndexFullText(false);
            s.setFetchSizeDefaultMaximum(number("page.max", 1000));
            s.setJobFastTrackingEnabled(true);
            s.setEnableTaskPreExpandValueSets(false);
            s.setBulkExportFileMaximumCapacity(number("export.file.max", 1000));
            s.setMatchUrlCacheEnabled(false);
            return s;
        }

        @Bean
        SubscriptionSettings subscriptionSettings() {
            SubscriptionSettings s = new SubscriptionSettings();
            s.addSupportedSubscriptionType(org.hl7.fhir.dstu2.model.Subscription.SubscriptionChannelType.RESTHOOK);
            s.setSubscriptionChangeQueuedImmediately(true);
            s.setSubscriptionIntervalInMs(number("subscription.ms", 250));
            return s;
        }

        @Bean
        PartitionSettings partitionSettings() {
            return new PartitionSettings();
        }

        @Bean
        IEmailSender emailSender() {
            return details -> {};
        }

        @Bean
        IBinaryStorageSvc binaryStorage() {
            return new DatabaseBinaryContentStorageSvcImpl();
        }

        @Bean
        @Primary
        LocalContainerEntityManagerFactoryBean entityManagerFactory(
                ConfigurableListableBeanFactory beans, FhirContext fhir, JpaStorageSettings settings, DataSource db) {
            LocalContainerEntityManagerFactoryBean emf =
                    HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, fhir, settings);
            Properties p = new Properties();
            p.put("hibernate.dialect", "ca.uhn.fhir.jpa.model.dialect.HapiFhir"
                    + (postgres() ? "Postgres" : "H2") + "Dialect");
            p.put("hibernate.hbm2ddl.auto", opt("ddl", "update"));
            p.put("hibernate.jdbc.batch_size", "20");
            p.put("hibernate.cache.use_query_cache", "false");
            p.put("hibernate.cache.use_second_level_cache", "false");
            p.put("hibernate.search.enabled", "false");
            emf.setPersistenceUnitName("HAPI_PU");
            emf.setDataSource(db);
            emf.setJpaProperties(p);
            return emf;
        }

        @Bean
        @Primary
        JpaTransactionManager transactionManager(EntityManagerFactory emf) {
            return new JpaTransactionManager(emf);
        }

        @Bean
        RestfulServer restfulServer(
                FhirContext fhir,
                IFhirSystemDao<?, ?> systemDao,
                ResourceProviderFactory resourceProviders,
                IJpaSystemProvider systemProvider,
                JpaStorageSettings settings,
                ISearchParamRegistry searchParams,
                IValidationSupport validation,
                DatabaseBackedPagingProvider paging,
                BulkDataExportProvider export,
                ValueSetOperationProvider valueSets,
                ReindexProvider reindex,
                DiffProvider diff,
                IInstanceValidatorModule validator,
                ObjectProvider<TerminologyUploaderProvider> termUploader,
                ObjectProvider<SubscriptionTriggeringProvider> trigger) {
            fhir.setNarrativeGenerator(new NullNarrativeGenerator());
            RestfulServer server = new RestfulServer(fhir);
            server.registerProviders(resourceProviders.createProviders());
            server.registerProviders(List.of(systemProvider, export, valueSets, reindex, diff));
            termUploader.ifAvailable(server::registerProvider);
            trigger.ifAvailable(server::registerProvider);
            server.setServerConformanceProvider(
                    new JpaCapabilityStatementProvider(server, systemDao, settings, searchParams, validation));
            paging.setDefaultPageSize(number("page.default", 50));
            paging.setMaximumPageSize(number("page.max", 1000));
            server.setPagingProvider(paging);
            server.setDefaultResponseEncoding(EncodingEnum.JSON);
            server.setServerAddressStrategy(new IncomingRequestAddressStrategy());
            server.registerInterceptor(new SearchPreferHandlingInterceptor(searchParams)); // Prefer: handling=lenient
            server.registerInterceptor(new UserRequestRetryVersionConflictsInterceptor()); // X-Retry-On-Version-Conflict
            if (flag("validate.requests", false)) {
                RequestValidatingInterceptor check = new RequestValidatingInterceptor();
                check.setFailOnSeverity(ResultSeverityEnum.ERROR);
                check.setValidatorModules(List.of(validator));
                server.registerInterceptor(check);
            }
            return server;
        }
    }
}
